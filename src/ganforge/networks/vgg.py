"""Frozen feature maps of VGG19 (Simonyan and Zisserman 2015), whose weights come from a file."""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganforge.core.errors import GanforgeError
from ganforge.networks.features import Features

__all__ = ["Vgg19Features"]

#: Convolutions of VGG19's five stages, and their channels.
_VGG = [(2, 64), (2, 128), (4, 256), (4, 512), (4, 512)]


class Vgg19Features(Features):
    """Layers of VGG19 (Simonyan and Zisserman 2015), whose weights are not in any package: from a file.

    Args:
        path: torchvision's ``vgg19-dcbb9e9d.pth``; or pytorch-AdaIN's ``vgg_normalised.pth``, whose weights are scaled,
            whose borders are reflected, and which takes pictures as they are.
        layers: ``conv5_4`` is the fourth convolution of the fifth stage before its ReLU, ``relu5_4`` after it.

    Raises:
        GanforgeError: for a layer that VGG19 does not have.
    """

    def __init__(self, path: str | None, layers: Sequence[str] = ("conv5_4",)) -> None:
        names = [f"{stage}_{k + 1}" for stage, (count, _) in enumerate(_VGG, 1) for k in range(count)]
        for layer in layers:
            if layer[:4] not in ("conv", "relu") or layer[4:] not in names:
                raise GanforgeError(f"Vgg19Features: there is no layer '{layer}': name one from conv1_1 to relu5_4.")
        order = [(names.index(layer[4:]), layer[:4] == "relu") for layer in layers]
        if not order or order != sorted(set(order)):
            raise GanforgeError(f"Vgg19Features: name layers once and in their order, got {', '.join(layers)}.")
        self.path, self.layers = path, tuple(layers)
        self.widths = [_VGG[int(layer[4]) - 1][1] for layer in layers]

    def __repr__(self) -> str:
        """Name the network and its layers."""
        return f"Vgg19Features(layers={self.layers})"

    def load(self, device: torch.device) -> nn.Module:
        """See :class:`Features`."""
        if self.path is None:
            raise GanforgeError(
                "VGG19's weights come in no package: set term.perceptual_vgg.features.path=FILE (of model=adain: "
                "network.path=FILE) to torchvision's vgg19-dcbb9e9d.pth, or choose term=[perceptual] (network=adain)."
            )
        return _vgg_layers(self.path, self.layers, device)


class _Vgg(nn.Module):
    """Chosen layers of VGG19, from its convolutions' weights in their order."""

    def __init__(self, weights: Sequence[tuple[Tensor, Tensor]], layers: Sequence[str]) -> None:
        super().__init__()
        self.is_normalised = weights[0][0].shape[-1] == 1  # pytorch-AdaIN's: the first one is of 1 x 1, over colours
        self.convolutions = nn.ModuleList()
        for weight, bias in weights:
            layer = nn.Conv2d(weight.shape[1], weight.shape[0], weight.shape[-1])
            layer.load_state_dict({"weight": weight, "bias": bias})
            self.convolutions.append(layer)
        self.layers = set(layers)
        self.mean: Tensor
        self.deviation: Tensor
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1))
        self.register_buffer("deviation", torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1))

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        maps = (images + 1) / 2
        convolutions = list(self.convolutions)
        maps = convolutions.pop(0)(maps) if self.is_normalised else (maps - self.mean) / self.deviation
        found: list[Tensor] = []
        number = 0
        for stage, (count, _) in enumerate(_VGG, 1):
            for k in range(1, count + 1):
                if number == len(convolutions):
                    return tuple(found)
                maps = convolutions[number](F.pad(maps, (1, 1, 1, 1), "reflect" if self.is_normalised else "constant"))
                found += [maps] if f"conv{stage}_{k}" in self.layers else []
                maps = maps.relu()
                found += [maps] if f"relu{stage}_{k}" in self.layers else []
                number += 1
            maps = F.max_pool2d(maps, 2, ceil_mode=self.is_normalised)
        return tuple(found)


@cache
def _vgg_layers(path: str, layers: tuple[str, ...], device: torch.device) -> nn.Module:
    file = Path(path).expanduser()
    if not file.is_file():
        raise GanforgeError(f"There is no file of VGG19's weights at '{file}': fetch torchvision's vgg19-dcbb9e9d.pth.")
    try:
        content = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:
        raise GanforgeError(f"'{file}' holds no plain tensors: fetch torchvision's vgg19-dcbb9e9d.pth.") from error
    weights = _convolutions(content if isinstance(content, Mapping) else {})
    channels = [3, *(width for count, width in _VGG for _ in range(count))]
    last = layers[-1]
    needed = sum(count for count, _ in _VGG[: int(last[4]) - 1]) + int(last[6])
    shapes = [(outputs, inputs, 3, 3) for inputs, outputs in pairwise(channels)][:needed]
    first = [(3, 3, 1, 1)] if weights and weights[0][0].shape[-1] == 1 else []
    wanted = first + shapes
    if [tuple(weight.shape) for weight, _ in weights[: len(wanted)]] != wanted:
        raise GanforgeError(f"'{file}' does not hold VGG19's convolutions: fetch torchvision's vgg19-dcbb9e9d.pth.")
    with torch.random.fork_rng(devices=[]):
        network = _Vgg(weights[: len(wanted)], layers)
    return network.eval().requires_grad_(False).to(device)


def _convolutions(content: Mapping[str, object]) -> list[tuple[Tensor, Tensor]]:
    """Return weights and biases of a sequence's convolutions in their order."""
    found: dict[int, tuple[Tensor, Tensor]] = {}
    for name, weight in content.items():
        match = re.fullmatch(r"(?:features\.)?(\d+)\.weight", str(name))
        bias = content.get(str(name).removesuffix("weight") + "bias")
        if match and isinstance(weight, Tensor) and weight.ndim == 4 and isinstance(bias, Tensor):
            found[int(match[1])] = weight, bias
    return [found[number] for number in sorted(found)]

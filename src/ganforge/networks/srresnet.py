"""SRResNet and the discriminator of SRGAN (Ledig et al. 2017, arXiv:1609.04802), in the form of BasicSR.

BasicSR's generator (MSRResNet) is without batch normalisation and adds what it draws to the enlarged picture; its
discriminator, which ESRGAN has too, halves the picture by convolutions of 4 x 4 until 4 pixels are left.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganforge.core.annotations import Count
from ganforge.core.errors import GanforgeError
from ganforge.data.images import ImageSize, height_and_width
from ganforge.networks.checks import require_positive
from ganforge.networks.critique import Critique
from ganforge.networks.patch import source_of

__all__ = ["Discriminator", "Generator", "initialise", "require_scale"]


def initialise(module: nn.Module) -> None:
    """Draw convolutions from a tenth of He's normal distribution, biases 0, as BasicSR does for residual layers."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight)
            with torch.no_grad():
                layer.weight.mul_(0.1)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def require_scale(
    owner: str, scale: int, scales: tuple[int, ...], image_size: ImageSize, source_size: ImageSize | None
) -> None:
    """Raise GanforgeError for a scale that the network does not have, or that does not lead from source to data.

    Args:
        owner: the network option, such as ``network=srresnet``.
        scale: how many times larger its output is.
        scales: those that it has.
        image_size: height and width of the data.
        source_size: of the column ``source``; ``None`` where it is not known.
    """
    if scale not in scales:
        valid = ", ".join(map(str, scales))
        raise GanforgeError(f"{owner} has no scale {scale}: set network.scale to one of {valid}.")
    if source_size is None:
        return
    (height, width), (tall, wide) = height_and_width(source_size), height_and_width(image_size)
    if (height * scale, width * scale) != (tall, wide):
        raise GanforgeError(
            f"{owner} makes {height * scale} x {width * scale} pixels of a source of {height} x {width} at scale "
            f"{scale}, and data.image_size is {tall} x {wide}: change data.image_size, data.given.source.image_size or "
            "network.scale."
        )


class _Residual(nn.Module):
    """``x + conv(relu(conv(x)))``."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(width, width, 3, 1, 1), nn.ReLU(), nn.Conv2d(width, width, 3, 1, 1))
        initialise(self.layers)

    def forward(self, maps: Tensor) -> Tensor:
        residual: Tensor = self.layers(maps)
        return maps + residual


class Generator(nn.Module):
    """Residual blocks at the source's size, sub-pixel convolutions (Shi et al. 2016), and the enlarged source.

    Args:
        image_size: height and width of what is drawn in training; later sources may have any size.
        channels: of source and output.
        source_size: of the sources in training, for the check that ``scale`` leads from there to ``image_size``.
        width: channels of the maps.
        blocks: residual blocks.
        scale: how many times larger the output is: 2, 3 or 4.

    Raises:
        GanforgeError: for another scale, or one that does not lead from ``source_size`` to ``image_size``.
    """

    def __init__(
        self,
        image_size: ImageSize,
        channels: Count = 3,
        source_size: ImageSize | None = None,
        width: Count = 64,
        blocks: Count = 16,
        scale: Count = 4,
    ) -> None:
        super().__init__()
        require_positive("network", channels=channels, width=width, blocks=blocks)
        require_scale("network=srresnet", scale, (2, 3, 4), image_size, source_size)
        self.scale = scale
        self.first = nn.Sequential(nn.Conv2d(channels, width, 3, 1, 1), nn.LeakyReLU(0.1))
        self.body = nn.Sequential(*(_Residual(width) for _ in range(blocks)))
        shuffles = [2, 2] if scale == 4 else [scale]
        self.enlarge = nn.Sequential()
        for times in shuffles:
            self.enlarge.extend(
                [nn.Conv2d(width, width * times**2, 3, 1, 1), nn.PixelShuffle(times), nn.LeakyReLU(0.1)]
            )
        self.last = nn.Sequential(
            nn.Conv2d(width, width, 3, 1, 1), nn.LeakyReLU(0.1), nn.Conv2d(width, channels, 3, 1, 1)
        )
        for part in (self.first, self.enlarge, self.last):
            initialise(part)

    def forward(self, latent: Tensor | None, condition: Tensor | None = None) -> Tensor:
        """Enlarge ``(n, channels, h, w)`` in [-1, 1] to ``(n, channels, scale h, scale w)``; ``latent`` is not read."""
        source = source_of("network=srresnet", condition)
        detail: Tensor = self.last(self.enlarge(self.body(self.first(source))))
        return detail + F.interpolate(source, scale_factor=self.scale, mode="bilinear", align_corners=False)


class Discriminator(nn.Module):
    """Pairs of convolutions, the second of stride 2, until less than 8 pixels are left, and two linear layers.

    Args:
        image_size: height and width in pixels, from 8 on.
        channels: of the picture.
        width: channels of the first layer; each stage doubles them up to 8 times as many.

    Raises:
        GanforgeError: for smaller pictures.
    """

    def __init__(self, image_size: ImageSize, channels: Count = 3, width: Count = 64) -> None:
        super().__init__()
        require_positive("network", channels=channels, width=width)
        height, width_of_image = sides = height_and_width(image_size)
        if min(sides) < 8:
            raise GanforgeError(
                f"The discriminator of network=srresnet and network=rrdb halves pictures of 8 pixels and more, and "
                f"data.image_size is {height} x {width_of_image}: set a larger data.image_size."
            )
        stages = 0
        while min(sides) >= 8:
            sides, stages = (sides[0] // 2, sides[1] // 2), stages + 1
        layers: list[nn.Module] = []
        for number, (inputs, outputs) in enumerate(
            pairwise([channels, *(width * min(2**k, 8) for k in range(stages))])
        ):
            layers += [nn.Conv2d(inputs, outputs, 3, 1, 1, bias=number == 0)]
            layers += [nn.BatchNorm2d(outputs)] if number else []
            layers += [nn.LeakyReLU(0.2, inplace=True), nn.Conv2d(outputs, outputs, 4, 2, 1, bias=False)]
            layers += [nn.BatchNorm2d(outputs), nn.LeakyReLU(0.2, inplace=True)]
        self.maps = nn.Sequential(*layers)
        features = width * min(2 ** (stages - 1), 8) * sides[0] * sides[1]
        self.head = nn.Sequential(nn.Linear(features, 100), nn.LeakyReLU(0.2), nn.Linear(100, 1))

    def forward(self, images: Tensor, condition: Tensor | None = None) -> Critique:
        """Judge ``(n, channels, h, w)`` pictures in [-1, 1]; the source is not read."""
        features = self.maps(images).flatten(1)
        return Critique(self.head(features).flatten(), features)

"""The residual generator of CycleGAN (Zhu et al. 2017, arXiv:1703.10593, section 7.2; after Johnson et al. 2016)."""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganforge.core.annotations import Count, Whole
from ganforge.data.images import ImageSize, height_and_width
from ganforge.networks.checks import require_positive
from ganforge.networks.patch import MapNorm, initialise, map_norm, require_multiple, source_of

__all__ = ["Generator", "ResidualBlock"]


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions on reflected borders and a skip; no activation after the sum.

    Args:
        width: channels.
        normalization: of the maps.
    """

    def __init__(self, width: int, normalization: MapNorm) -> None:
        super().__init__()

        def half() -> list[nn.Module]:
            convolution = nn.Conv2d(width, width, 3, bias=normalization == "instance")
            return [nn.ReflectionPad2d(1), convolution, map_norm(normalization, width)]

        self.layers = nn.Sequential(*half(), nn.ReLU(), *half())

    def forward(self, maps: Tensor) -> Tensor:
        """Map ``(n, width, h, w)`` to the same shape."""
        return maps + cast(Tensor, self.layers(maps))


class BlurHalve(nn.Module):
    """Halve a map after a binomial filter, so that it does not alias (Zhang 2019, arXiv:1904.11486)."""

    def forward(self, maps: Tensor) -> Tensor:
        """Map ``(n, d, h, w)`` to ``(n, d, h / 2, w / 2)``."""
        side = torch.tensor([1.0, 2.0, 1.0], dtype=maps.dtype, device=maps.device) / 4
        kernel = (side[:, None] * side).expand(maps.shape[1], 1, 3, 3)
        return F.conv2d(F.pad(maps, (1, 1, 1, 1), "reflect"), kernel, stride=2, groups=maps.shape[1])


class Generator(nn.Module):
    """Two halvings, residual blocks, two doublings, on reflected borders.

    Args:
        image_size: height and width in pixels, multiples of 4; other sizes may be translated later.
        channels: of what is drawn.
        source_channels: of the source picture.
        width: channels of the first layer.
        blocks: residual blocks; ``None``: 6 up to 128 pixels and 9 above, as in the paper.
        halvings: how often the picture is halved: 2, and 4 in pix2pixHD's global generator.
        normalization: ``instance`` without learned gains, or ``batch``.
        antialias: whether maps are blurred before they are halved, and doubled by interpolation, as in CUT.

    Raises:
        GanforgeError: if the sides are no multiples of ``2 ** halvings``, or no more than that.
    """

    def __init__(
        self,
        image_size: ImageSize,
        channels: Count = 3,
        source_channels: Count = 3,
        width: Count = 64,
        blocks: Count | None = None,
        halvings: Whole = 2,
        normalization: MapNorm = "instance",
        antialias: bool = False,
    ) -> None:
        super().__init__()
        require_positive("network", channels=channels, source_channels=source_channels, width=width, blocks=blocks)
        #: Sides of what it takes are multiples of this.
        self.multiple = 2**halvings
        require_multiple("A residual generator", image_size, self.multiple, least=2)
        blocks = blocks or (6 if max(height_and_width(image_size)) <= 128 else 9)
        has_bias = normalization == "instance"

        def normalised(layer: nn.Module, features: int) -> list[nn.Module]:
            return [layer, map_norm(normalization, features), nn.ReLU()]

        layers = [nn.ReflectionPad2d(3), *normalised(nn.Conv2d(source_channels, width, 7, bias=has_bias), width)]
        for _ in range(halvings):
            stride = 1 if antialias else 2
            layers += normalised(nn.Conv2d(width, 2 * width, 3, stride, 1, bias=has_bias), 2 * width)
            layers += [BlurHalve()] if antialias else []
            width *= 2
        layers += [ResidualBlock(width, normalization) for _ in range(blocks)]
        #: How many layers lie before the first doubling.
        self.encoder_length = len(layers)
        for _ in range(halvings):
            if antialias:
                layers += [nn.Upsample(scale_factor=2, mode="bilinear")]
                layers += normalised(nn.Conv2d(width, width // 2, 3, 1, 1, bias=has_bias), width // 2)
            else:
                doubling = nn.ConvTranspose2d(width, width // 2, 3, 2, 1, output_padding=1, bias=has_bias)
                layers += normalised(doubling, width // 2)
            width //= 2
        layers += [nn.ReflectionPad2d(3), nn.Conv2d(width, channels, 7), nn.Tanh()]
        self.layers = nn.Sequential(*layers)
        self.apply(initialise)

    def forward(self, latent: Tensor | None, condition: Tensor | None = None) -> Tensor:
        """Translate ``(n, source_channels, h, w)`` into ``(n, channels, h, w)`` in (-1, 1); ``latent`` is not read."""
        return cast(Tensor, self.layers(source_of("network.generator", condition)))

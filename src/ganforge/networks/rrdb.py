"""RRDBNet, the generator of ESRGAN (Wang et al. 2018, arXiv:1809.00219, section 3.1), as in the authors' BasicSR."""

import torch
from torch import Tensor, nn

from ganforge.core.annotations import Count
from ganforge.core.errors import GanforgeError
from ganforge.data.images import ImageSize, height_and_width
from ganforge.networks.checks import require_positive
from ganforge.networks.patch import source_of
from ganforge.networks.srresnet import initialise, require_scale

__all__ = ["Generator"]

_RESIDUAL = 0.2  # beta of figure 4


class _Dense(nn.Module):
    """Five convolutions, each of all maps before it; their last one is scaled and added."""

    def __init__(self, width: int, growth: int) -> None:
        super().__init__()
        outputs = [growth] * 4 + [width]
        self.layers = nn.ModuleList(nn.Conv2d(width + k * growth, outputs[k], 3, 1, 1) for k in range(5))
        initialise(self.layers)

    def forward(self, maps: Tensor) -> Tensor:
        found = maps
        for layer in self.layers[:-1]:
            found = torch.cat([found, nn.functional.leaky_relu(layer(found), 0.2)], 1)
        residual: Tensor = self.layers[-1](found)
        return maps + _RESIDUAL * residual


class _Block(nn.Module):
    """A residual block in a residual block: three of :class:`_Dense`."""

    def __init__(self, width: int, growth: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(*(_Dense(width, growth) for _ in range(3)))

    def forward(self, maps: Tensor) -> Tensor:
        residual: Tensor = self.layers(maps)
        return maps + _RESIDUAL * residual


class Generator(nn.Module):
    """Dense blocks at a quarter of the output's size, which is doubled twice, by nearest neighbours and convolutions.

    At scale 2 each 2 x 2 pixels of the source become channels first, as in the authors' code.

    Args:
        image_size: height and width of what is drawn in training; later sources may have any size.
        channels: of source and output.
        source_size: of the sources in training, for the check that ``scale`` leads from there to ``image_size``.
        width: channels of the maps.
        blocks: residual-in-residual dense blocks.
        growth: channels that each dense layer adds.
        scale: how many times larger the output is: 2 or 4.

    Raises:
        GanforgeError: for another scale, or one that does not lead from ``source_size`` to ``image_size``.
    """

    def __init__(
        self,
        image_size: ImageSize,
        channels: Count = 3,
        source_size: ImageSize | None = None,
        width: Count = 64,
        blocks: Count = 23,
        growth: Count = 32,
        scale: Count = 4,
    ) -> None:
        super().__init__()
        require_positive("network", channels=channels, width=width, blocks=blocks, growth=growth)
        require_scale("network=rrdb", scale, (2, 4), image_size, source_size)
        self.scale = scale
        #: Sides of sources are multiples of this.
        self.multiple = 4 // scale
        if any(side % 4 for side in height_and_width(image_size)):
            height, tall = height_and_width(image_size)
            raise GanforgeError(
                f"network=rrdb doubles twice what it draws, and data.image_size is {height} x {tall}: set multiples of "
                "4 pixels."
            )
        self.fold = nn.PixelUnshuffle(self.multiple)
        self.first = nn.Conv2d(channels * self.multiple**2, width, 3, 1, 1)
        self.body = nn.Sequential(*(_Block(width, growth) for _ in range(blocks)), nn.Conv2d(width, width, 3, 1, 1))
        steps: list[nn.Module] = []
        for _ in range(2):
            steps += [nn.Upsample(scale_factor=2), nn.Conv2d(width, width, 3, 1, 1), nn.LeakyReLU(0.2)]
        self.enlarge = nn.Sequential(*steps)
        self.last = nn.Sequential(
            nn.Conv2d(width, width, 3, 1, 1), nn.LeakyReLU(0.2), nn.Conv2d(width, channels, 3, 1, 1)
        )

    def forward(self, latent: Tensor | None, condition: Tensor | None = None) -> Tensor:
        """Enlarge ``(n, channels, h, w)`` in [-1, 1] to ``(n, channels, scale h, scale w)``; ``latent`` is not read."""
        maps = self.first(self.fold(source_of("network=rrdb", condition)))
        drawn: Tensor = self.last(self.enlarge(maps + self.body(maps)))
        return drawn

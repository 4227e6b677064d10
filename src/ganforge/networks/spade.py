"""SPADE (Park et al. 2019, arXiv:1903.07291): normalisation that is modulated by the source at each place."""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganforge.core.annotations import Count, Whole
from ganforge.data.images import ImageSize, height_and_width
from ganforge.networks.checks import require_positive
from ganforge.networks.patch import initialise_xavier, require_multiple, source_of
from ganforge.networks.spectral import spectral_norm

__all__ = ["Generator", "SpatiallyAdaptiveNorm"]

#: Channels of each block's input, then of the last one's output, in the generator's width.
_WIDTHS = (16, 16, 16, 16, 8, 4, 2, 1)
#: Before which blocks the map is doubled, where it is five times.
_DOUBLED = (1, 3, 4, 5, 6)


def _convolution(inputs: int, outputs: int, kernel: int = 3, *, bias: bool = True) -> nn.Conv2d:
    layer = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=bias)
    initialise_xavier(layer)
    return layer


class SpatiallyAdaptiveNorm(nn.Module):
    """Batch normalisation whose gain and bias at each place are convolutions of the source (equation 1).

    Args:
        features: channels of the map.
        source_channels: of the source.
        hidden: channels between source and gains.
    """

    def __init__(self, features: int, source_channels: int, hidden: int = 128) -> None:
        super().__init__()
        self.normalize = nn.BatchNorm2d(features, affine=False)
        self.shared = nn.Sequential(_convolution(source_channels, hidden), nn.ReLU())
        self.gain, self.bias = _convolution(hidden, features), _convolution(hidden, features)

    def forward(self, maps: Tensor, source: Tensor) -> Tensor:
        """Normalise ``(n, features, h, w)`` under the source, which is brought to its size by the nearest pixel."""
        hidden = self.shared(F.interpolate(source, maps.shape[2:], mode="nearest"))
        normalized, gain, bias = self.normalize(maps), self.gain(hidden), self.bias(hidden)
        return torch.addcmul(bias, normalized, 1 + gain)


class _Block(nn.Module):
    """Two normalised 3 x 3 convolutions and a shortcut, which is learned where channels change (figure 4)."""

    def __init__(self, inputs: int, outputs: int, source_channels: int) -> None:
        super().__init__()
        middle = min(inputs, outputs)
        self.norms = nn.ModuleList(SpatiallyAdaptiveNorm(width, source_channels) for width in (inputs, middle))
        self.convolutions = nn.ModuleList(
            spectral_norm(_convolution(*widths)) for widths in ((inputs, middle), (middle, outputs))
        )
        is_learned = inputs != outputs
        self.shortcut_norm = SpatiallyAdaptiveNorm(inputs, source_channels) if is_learned else None
        self.shortcut = spectral_norm(_convolution(inputs, outputs, 1, bias=False)) if is_learned else nn.Identity()

    def forward(self, maps: Tensor, source: Tensor) -> Tensor:
        shortcut: Tensor = self.shortcut(maps if self.shortcut_norm is None else self.shortcut_norm(maps, source))
        for norm, convolution in zip(self.norms, self.convolutions, strict=True):
            maps = convolution(F.leaky_relu(norm(maps, source), 0.2))
        return shortcut + maps


class Generator(nn.Module):
    """Residual blocks from a small copy of the source upwards, each of which sees the source again.

    Without the image encoder, which adds a latent of style.

    Args:
        image_size: height and width in pixels.
        channels: of what is drawn.
        source_channels: of the source: one for each class of a label map.
        width: channels of the last block.
        doublings: how often the map is doubled, at most 5; ``None``: so that it begins at no less than 4 pixels.

    Raises:
        GanforgeError: if the sides are no multiples of ``2 ** doublings``.
    """

    def __init__(
        self,
        image_size: ImageSize,
        channels: Count = 3,
        source_channels: Count = 3,
        width: Count = 64,
        doublings: Whole | None = None,
    ) -> None:
        super().__init__()
        require_positive("network", channels=channels, source_channels=source_channels, width=width)
        if doublings is None:
            doublings = min(5, max(1, (min(height_and_width(image_size)) // 4).bit_length() - 1))
        #: Sides of what it takes are multiples of this.
        self.multiple = 2**doublings
        require_multiple("network=spade", image_size, self.multiple)
        self.doubled = _DOUBLED[len(_DOUBLED) - doublings :]
        self.first = _convolution(source_channels, 16 * width)
        self.blocks = nn.ModuleList(
            _Block(inputs * width, outputs * width, source_channels) for inputs, outputs in pairwise(_WIDTHS)
        )
        self.last = _convolution(width, channels)

    def forward(self, latent: Tensor | None, condition: Tensor | None = None) -> Tensor:
        """Translate ``(n, source_channels, h, w)`` into ``(n, channels, h, w)`` in (-1, 1); ``latent`` is not read."""
        source = source_of("network=spade", condition)
        height, width = source.shape[2:]
        maps = self.first(F.interpolate(source, (height // self.multiple, width // self.multiple), mode="nearest"))
        for number, block in enumerate(self.blocks):
            if number in self.doubled:
                maps = F.interpolate(maps, scale_factor=2, mode="nearest")
            maps = block(maps, source)
        return torch.tanh(self.last(F.leaky_relu(maps, 0.2)))

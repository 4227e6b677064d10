"""Style transfer by adaptive instance normalisation (AdaIN, Huang and Belongie 2017, arXiv:1703.06868)."""

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from ganforge.core.annotations import Count, Whole
from ganforge.core.errors import GanforgeError
from ganforge.networks.checks import require_positive
from ganforge.networks.features import Features
from ganforge.networks.patch import source_of

__all__ = ["Generator", "adaptive_instance_norm", "channel_statistics"]

_EPSILON = 1e-5  # of variances, the authors'


def channel_statistics(maps: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation over places of ``(n, d, h, w)`` maps, ``(n, d, 1, 1)`` each."""
    variance = maps.var((2, 3), keepdim=True, unbiased=maps[0, 0].numel() > 1)
    return maps.mean((2, 3), keepdim=True), (variance + _EPSILON).sqrt()


def adaptive_instance_norm(content: Tensor, style: Tensor) -> Tensor:
    """Return the content's maps with the mean and deviation of the style's, channel by channel (equation 8)."""
    (mean, deviation), (wanted_mean, wanted_deviation) = channel_statistics(content), channel_statistics(style)
    return (content - mean) / deviation * wanted_deviation + wanted_mean


class Generator(nn.Module):
    """A decoder of a frozen encoder's maps, which have taken over the style's statistics.

    Args:
        features: the encoder, whose last map is decoded; its weights are no part of the network.
        channels: of content, style and output: 1 or 3.
        widths: channels after each doubling of the map, as many as the encoder has halved it.
        repeats: further convolutions at each of these.

    Raises:
        GanforgeError: if a number is below 1, or there are other numbers of ``repeats`` than of ``widths``.
    """

    def __init__(
        self,
        features: Features,
        channels: Count = 3,
        widths: Sequence[Count] = (64, 32),
        repeats: Sequence[Whole] = (1, 1),
    ) -> None:
        super().__init__()
        require_positive("network=adain", channels=channels, widths=min(widths, default=0))
        if len(repeats) != len(widths):
            raise GanforgeError(f"network=adain: {len(widths)} widths need as many repeats, got {len(repeats)}.")
        self.features = features
        #: Sides of contents are multiples of this.
        self.multiple = 2 ** len(widths)
        layers = [*_convolution(features.widths[-1], widths[0]), nn.ReLU(), nn.Upsample(scale_factor=2)]
        for number, (width, following) in enumerate(pairwise([*widths, channels])):
            for _ in range(repeats[number]):
                layers += [*_convolution(width, width), nn.ReLU()]
            layers += _convolution(width, following)
            layers += [nn.ReLU(), nn.Upsample(scale_factor=2)] if number < len(widths) - 1 else []
        self.decoder = nn.Sequential(*layers)

    def forward(self, latent: Tensor | None, condition: Tensor | None = None) -> Tensor:
        """Draw contents in other pictures' styles.

        Args:
            latent: the styles, ``(n, channels, h, w)`` in [-1, 1], of any size.
            condition: the contents, ``(n, channels, h, w)``, the size of what is drawn.

        Raises:
            GanforgeError: without pictures of either kind.
        """
        content = source_of("network=adain", condition)
        if latent is None or latent.ndim != 4:
            raise GanforgeError("network=adain takes pictures for its latent, the styles: choose model=adain.")
        drawn: Tensor = self.decoder(adaptive_instance_norm(self.features(content)[-1], self.features(latent)[-1]))
        return drawn


def _convolution(inputs: int, outputs: int) -> list[nn.Module]:
    return [nn.ReflectionPad2d(1), nn.Conv2d(inputs, outputs, 3)]

"""The U-Net of pix2pix (Isola et al. 2017, arXiv:1611.07004, section 3.2 and appendix 6.1)."""

import torch
from torch import Tensor, nn

from ganforge.core.annotations import Count, FractionBelowOne
from ganforge.core.errors import GanforgeError
from ganforge.data.images import ImageSize, height_and_width
from ganforge.networks.checks import require_positive
from ganforge.networks.patch import MapNorm, initialise, map_norm, require_multiple, source_of

__all__ = ["Dropout", "Generator"]

#: A prime below 2^31, so that products of two remainders fit in 64 bits.
_PRIME = 2_147_483_647


class Dropout(nn.Dropout):
    """Dropout that stays on in evaluation, the only noise of pix2pix (section 2.1).

    In evaluation the values that are kept are the same for every image and at every call, so that a picture does not
    depend on its company and an exported network draws what this one does. The authors' test script draws anew.
    """

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - torch's name
        """Drop values of ``(n, features, h, w)``, and scale up the others."""
        if self.training:
            return super().forward(input)
        _, features, height, width = input.shape
        number = torch.arange(1, features * height * width + 1, device=input.device)
        for factor in (48_271, 69_621):  # multipliers of Park and Miller's generator
            number = (number * number + number * factor) % _PRIME
        kept = (number >= int(self.p * _PRIME)).to(input.dtype) / (1 - self.p)
        return input * kept.view(1, features, height, width)


class Generator(nn.Module):
    """An encoder and a decoder with a skip from each stage of one to that of the other.

    Args:
        image_size: height and width in pixels.
        channels: of what is drawn.
        source_channels: of the source picture.
        width: channels of the first stage; each doubles them up to 8 times as many.
        stages: how often the picture is halved: 8 in the paper, at 256 pixels; ``None``: as often as its sides can be,
            at most 8.
        dropout: share of values dropped in the decoder's inner stages but the innermost, which are those that lie 5 or
            more halvings deep: 3 of 8 stages, none of 5.
        normalization: ``batch`` or ``instance``.
        per_image: whether batch norms take each image's own statistics in evaluation, as the authors' test script at
            batch size 1, and not the running ones of training.

    Raises:
        GanforgeError: if the sides are not multiples of ``2 ** stages``.
    """

    def __init__(
        self,
        image_size: ImageSize,
        channels: Count = 3,
        source_channels: Count = 3,
        width: Count = 64,
        stages: Count | None = None,
        dropout: FractionBelowOne = 0.5,
        normalization: MapNorm = "batch",
        per_image: bool = True,
    ) -> None:
        super().__init__()
        require_positive("network", channels=channels, source_channels=source_channels, width=width, stages=stages)
        stages = stages or max(2, _halvings(image_size))
        #: Sides of what it takes are multiples of this.
        self.multiple = 2**stages
        require_multiple("network=pix2pix", image_size, self.multiple)
        if not 0 <= dropout < 1:
            raise GanforgeError(f"network.dropout must be at least 0 and below 1, got {dropout}.")
        widths = [width * min(2**stage, 8) for stage in range(stages)]
        has_bias = normalization == "instance"
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        for stage in range(stages):
            inputs = widths[stage - 1] if stage else source_channels
            block: list[nn.Module] = [nn.LeakyReLU(0.2)] if stage else []
            block += [nn.Conv2d(inputs, widths[stage], 4, 2, 1, bias=has_bias)]
            block += [map_norm(normalization, widths[stage], per_image=per_image)] if 0 < stage < stages - 1 else []
            self.down.append(nn.Sequential(*block))
        for stage in reversed(range(stages)):
            inputs = widths[stage] * (1 if stage == stages - 1 else 2)
            if stage == 0:
                self.up.append(nn.Sequential(nn.ReLU(), nn.ConvTranspose2d(inputs, channels, 4, 2, 1), nn.Tanh()))
                continue
            block = [nn.ReLU(), nn.ConvTranspose2d(inputs, widths[stage - 1], 4, 2, 1, bias=has_bias)]
            block += [map_norm(normalization, widths[stage - 1], per_image=per_image)]
            block += [Dropout(dropout)] if dropout and 4 <= stage < stages - 1 else []
            self.up.append(nn.Sequential(*block))
        self.apply(initialise)

    def forward(self, latent: Tensor | None, condition: Tensor | None = None) -> Tensor:
        """Translate ``(n, source_channels, h, w)`` into ``(n, channels, h, w)`` in (-1, 1); ``latent`` is not read."""
        maps = source_of("network=pix2pix", condition)
        skips: list[Tensor] = []
        for stage in self.down:
            maps = stage(maps)
            skips.append(maps)
        maps = skips.pop()
        for number, stage in enumerate(self.up):
            maps = stage(maps if number == 0 else torch.cat([skips.pop(), maps], 1))
        return maps


def _halvings(image_size: ImageSize) -> int:
    """Return how often both sides can be halved, at most 8 times."""
    return max(stage for stage in range(9) if all(side % 2**stage == 0 for side in height_and_width(image_size)))

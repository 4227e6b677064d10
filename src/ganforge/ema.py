"""Exponential moving average of the generator's weights."""

import torch
from torch import Tensor, nn

from ganforge.core.annotations import NonNegative, Positive
from ganforge.core.errors import GanforgeError

__all__ = ["EMA"]


class EMA:
    """Averages weights with a half-life in images, so that batch size and GPU count do not change its meaning.

    After a step that used ``images`` images the average moves by ``1 - 0.5 ** (images / half_life)`` towards the
    weights; the half-life is at most ``rampup * images_seen`` while training is young (Karras et al. 2020a,
    StyleGAN2-ADA's training loop). Buffers (batch-norm statistics, counters) are copied.

    Args:
        halflife_kimg: half-life in thousands of images; ``None``: the average is a copy, and configurations keep none.
        rampup: half-life's upper limit as a share of images seen; ``None`` for no limit.
        begin_kimg: until so many thousand images the average is a copy (BigGAN-PyTorch's ``ema_start``).
    """

    def __init__(
        self, halflife_kimg: Positive | None, rampup: Positive | None = 0.05, begin_kimg: NonNegative = 0.0
    ) -> None:
        if halflife_kimg is not None and not halflife_kimg > 0:
            raise GanforgeError(f"ema.halflife_kimg must be > 0, got {halflife_kimg}; ema=none trains without average.")
        if rampup is not None and not rampup > 0:
            raise GanforgeError(f"ema.rampup must be > 0 or null, got {rampup}.")
        if begin_kimg < 0:
            raise GanforgeError(f"ema.begin_kimg must be >= 0, got {begin_kimg}.")
        self.begin_kimg = begin_kimg
        self.halflife_kimg = halflife_kimg
        self.rampup = rampup

    def decay(self, images: int, images_seen: int) -> float:
        """Return the weight of the old average after a step of ``images`` images that began at ``images_seen``."""
        if self.halflife_kimg is None or images_seen < self.begin_kimg * 1000:
            return 0.0
        halflife = self.halflife_kimg * 1000
        if self.rampup is not None:
            halflife = min(halflife, images_seen * self.rampup)
        return float(0.5 ** (images / max(halflife, 1e-8)))

    @torch.no_grad()
    def update(self, average: nn.Module, current: nn.Module, images: int, images_seen: int) -> None:
        """Move ``average`` towards ``current``, two modules of the same shape; in place."""
        old: list[Tensor] = list(average.parameters())
        new: list[Tensor] = list(current.parameters())
        if old:
            torch._foreach_lerp_(old, new, 1 - self.decay(images, images_seen))
        for kept, buffer in zip(average.buffers(), current.buffers(), strict=True):
            kept.copy_(buffer)

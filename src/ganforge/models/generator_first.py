"""The generator steps before the discriminator: pix2pixHD, SPADE, ESRGAN."""

from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor

from ganforge.data.columns import Batch
from ganforge.losses.step import Player, Step
from ganforge.models.gan import GAN
from ganforge.models.phase import Phase

__all__ = ["GeneratorFirst"]


class GeneratorFirst(GAN):
    """:class:`GAN` whose generator steps first in each batch.

    Args:
        redraw: whether the discriminator sees samples of the generator that has stepped (SPADE), or those that it was
            stepped with, from before (pix2pixHD, ESRGAN).
        **gan: see :class:`GAN`.
    """

    def __init__(self, *, redraw: bool = False, **gan: Any) -> None:
        super().__init__(**gan)
        self.redraw = redraw
        self._drawn: deque[Tensor] = deque()  # a part of the batch each

    def phases(self) -> Sequence[Phase]:
        """See :class:`GAN`."""
        first, *others = sorted(super().phases(), key=lambda phase: phase.player != "generator")
        return [replace(first, before=self._drawn.clear), *others]

    def play(self, player: Player, batch: Batch) -> Step:
        """See :class:`GAN`."""
        step = super().play(player, batch)
        if self.redraw:
            return step
        if player == "generator":
            self._drawn.append(step.fake.detach())
        elif self._drawn:
            drawn = self._drawn.popleft()
            return replace(step, make_fake=lambda: drawn)
        return step

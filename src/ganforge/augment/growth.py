"""Real images at the level of detail that a growing generator has reached (Karras et al. 2018)."""

from collections.abc import Callable

import torch
from torch import Tensor

from ganforge.augment.base import Augment
from ganforge.networks.progressive import at_level

__all__ = ["LevelOfDetail"]


class LevelOfDetail(Augment):
    """Reduces real images to the level of detail of the generated ones, with the same fading.

    A schedule writes ``level_of_detail``: 0 is full resolution, each whole level halves it.
    """

    level_of_detail: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("level_of_detail", torch.zeros(()))

    def pseudo(self, real: Tensor, make_fake: Callable[[], Tensor]) -> Tensor:
        """Return real images at the current level, at full size; nothing is generated."""
        return at_level(real, float(self.level_of_detail))

    def scalars(self) -> dict[str, Tensor]:
        """Return the level."""
        return {"level_of_detail": self.level_of_detail}

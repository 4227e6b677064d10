"""Constraints on the discriminator's weights, applied after each of its steps."""

from typing import Protocol

import torch
from torch import Tensor, nn

from ganforge.core.annotations import Positive
from ganforge.core.errors import GanforgeError

__all__ = ["Constraint", "WeightClipping"]


class Constraint(Protocol):
    """Changes a discriminator in place after its optimizer step."""

    def __call__(self, discriminator: nn.Module) -> None:
        """Constrain the weights."""


class WeightClipping:
    """Clamp every parameter to [-bound, bound] (Arjovsky et al. 2017, algorithm 1, line 7).

    Args:
        bound: ``c`` of the paper, 0.01 there.
    """

    def __init__(self, bound: Positive = 0.01) -> None:
        if not bound > 0:
            raise GanforgeError(f"constraint.bound must be > 0, got {bound}; constraint=none clips nothing.")
        self.bound = bound

    @torch.no_grad()
    def __call__(self, discriminator: nn.Module) -> None:
        """Clamp the parameters in place."""
        parameters: list[Tensor] = list(discriminator.parameters())
        torch._foreach_clamp_min_(parameters, -self.bound)
        torch._foreach_clamp_max_(parameters, self.bound)

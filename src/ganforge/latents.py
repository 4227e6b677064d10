"""Priors over the generator's input."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from ganforge.errors import GanforgeError

__all__ = ["Latent", "Normal", "Uniform"]


class Latent(ABC):
    """A distribution over ``(n, dim)`` latents.

    Args:
        dim: number of coordinates, at least 1.
    """

    def __init__(self, dim: int) -> None:
        if dim < 1:
            raise GanforgeError(f"latent.dim must be a whole number >= 1, got {dim}.")
        self.dim = dim

    @abstractmethod
    def __call__(self, n: int, *, generator: torch.Generator | None, device: torch.device) -> Tensor:
        """Draw ``(n, dim)`` latents from ``generator`` (``None``: the device's global one)."""


class Normal(Latent):
    """Standard normal."""

    def __call__(self, n: int, *, generator: torch.Generator | None, device: torch.device) -> Tensor:
        """See :class:`Latent`."""
        return torch.randn(n, self.dim, generator=generator, device=device)


class Uniform(Latent):
    """Uniform on [-1, 1], as in DCGAN (Radford et al. 2016, section 4)."""

    def __call__(self, n: int, *, generator: torch.Generator | None, device: torch.device) -> Tensor:
        """See :class:`Latent`."""
        return torch.rand(n, self.dim, generator=generator, device=device) * 2 - 1

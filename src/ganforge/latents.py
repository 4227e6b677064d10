"""Priors over the generator's input."""

from abc import ABC, abstractmethod
from typing import Annotated, ClassVar

import torch
from torch import Tensor

from ganforge.core.annotations import Bounds, Count, Whole
from ganforge.core.errors import GanforgeError

__all__ = ["Coded", "Latent", "Normal", "Uniform", "slerp"]


def slerp(start: Tensor, end: Tensor, share: Tensor) -> Tensor:
    """Interpolate along the great circle (Shoemake 1985; for latents White 2016, section 2.1).

    ``sin((1 - t) a) / sin(a) start + sin(t a) / sin(a) end``, with ``a`` the angle between the two; straight where they
    point the same or opposite ways.

    Args:
        start, end: ``(..., d)``.
        share: ``t``, 0 at ``start`` and 1 at ``end``; broadcast against ``(..., 1)``.
    """
    cosine = torch.nn.functional.cosine_similarity(start, end, dim=-1).clamp(-1, 1)
    angle = cosine.arccos()[..., None]
    is_straight = angle.sin().abs() < 1e-4
    sine = torch.where(is_straight, torch.ones_like(angle), angle.sin())
    curved = (((1 - share) * angle).sin() * start + (share * angle).sin() * end) / sine
    return torch.where(is_straight, torch.lerp(start, end, share), curved)


class Latent(ABC):
    """A distribution over ``(n, dim)`` latents.

    Args:
        dim: number of coordinates, at least 1.
    """

    #: Whether it draws real samples, which the generator translates.
    is_data: ClassVar[bool] = False

    def __init__(self, dim: Count) -> None:
        if dim < 1:
            raise GanforgeError(f"latent.dim must be a whole number >= 1, got {dim}.")
        self.dim = dim

    @abstractmethod
    def __call__(self, n: int, *, generator: torch.Generator | None, device: torch.device) -> Tensor:
        """Draw ``(n, dim)`` latents from ``generator`` (``None``: the device's global one)."""

    def truncate(self, latent: Tensor, threshold: float) -> Tensor:
        """Map draws to draws of the prior confined to ``[-threshold, threshold]``, coordinate by coordinate.

        The map keeps order, so that one latent at several thresholds shows one image drawn towards the middle.

        Raises:
            GanforgeError: if this prior has no truncation.
        """
        raise GanforgeError(f"There is no truncation for the prior {type(self).__name__}: leave truncation out.")


class Normal(Latent):
    """Standard normal."""

    def __call__(self, n: int, *, generator: torch.Generator | None, device: torch.device) -> Tensor:
        """See :class:`Latent`."""
        return torch.randn(n, self.dim, generator=generator, device=device)

    def truncate(self, latent: Tensor, threshold: float) -> Tensor:
        """The truncated normal of BigGAN (Brock et al. 2019, section 3.1), by its quantile function.

        The paper draws again what lies outside, which has the same distribution.
        """
        exact = latent.cpu().double() if latent.device.type == "mps" else latent.double()  # MPS has no float64
        below = torch.special.ndtr(torch.tensor(-threshold, dtype=torch.float64))
        quantile = below + torch.special.ndtr(exact) * (1 - 2 * below)
        confined: Tensor = torch.special.ndtri(quantile).clamp(-threshold, threshold)
        return confined.to(latent)


class Uniform(Latent):
    """Uniform on [-bound, bound]: 1 in DCGAN (Radford et al. 2016), the root of 3 in the first GAN's code.

    Args:
        dim: number of coordinates.
        bound: largest value, above 0.
    """

    def __init__(self, dim: Count, bound: float = 1.0) -> None:
        super().__init__(dim)
        if not bound > 0:
            raise GanforgeError(f"latent.bound must be > 0, got {bound}.")
        self.bound = bound

    def __call__(self, n: int, *, generator: torch.Generator | None, device: torch.device) -> Tensor:
        """See :class:`Latent`."""
        return (torch.rand(n, self.dim, generator=generator, device=device) * 2 - 1) * self.bound

    def truncate(self, latent: Tensor, threshold: float) -> Tensor:
        """See :class:`Latent`; a threshold above ``bound`` changes nothing."""
        return latent * min(threshold / self.bound, 1.0)


class Coded(Latent):
    """InfoGAN's latent: uniform noise, a one-hot category and continuous codes uniform on [-1, 1], in this order.

    Chen et al. 2016, section 7.2, with the paper's sizes for MNIST as defaults.

    Args:
        noise: coordinates without a code.
        categories: of the discrete code; at least 2.
        continuous: number of continuous codes.
        dim: their sum, if given, for configurations that state it.
    """

    def __init__(
        self,
        noise: Whole = 62,
        categories: Annotated[int, Bounds(at_least=2)] = 10,
        continuous: Whole = 2,
        dim: Count | None = None,
    ) -> None:
        super().__init__(noise + categories + continuous)
        if categories < 2 or noise < 0 or continuous < 0:
            raise GanforgeError("latent.categories must be at least 2, latent.noise and latent.continuous at least 0.")
        if dim is not None and dim != self.dim:
            raise GanforgeError(
                f"latent.dim={dim} must be latent.noise + latent.categories + latent.continuous = {self.dim}."
            )
        self.noise, self.categories, self.continuous = noise, categories, continuous

    def __call__(self, n: int, *, generator: torch.Generator | None, device: torch.device) -> Tensor:
        """See :class:`Latent`."""
        uniform = torch.rand(n, self.noise + self.continuous, generator=generator, device=device) * 2 - 1
        category = torch.randint(self.categories, (n,), generator=generator, device=device)
        one_hot = torch.nn.functional.one_hot(category, self.categories).to(uniform)
        return torch.cat([uniform[:, : self.noise], one_hot, uniform[:, self.noise :]], 1)

    def truncate(self, latent: Tensor, threshold: float) -> Tensor:
        """Confine the noise; codes keep their values, which mean something."""
        return torch.cat([latent[:, : self.noise] * min(threshold, 1.0), latent[:, self.noise :]], 1)

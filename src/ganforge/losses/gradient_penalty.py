"""Penalties on the gradient of the discriminator with respect to images.

All of them run a forward of their own on fresh leaves, without autocast, because the second derivative of a
narrow type is noise. Norms are over all of an image's values, so weights carry over from papers at equal
resolution only.
"""

from abc import abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from ganforge.core.annotations import NonNegative
from ganforge.core.errors import GanforgeError
from ganforge.losses.precision import full_precision, widen
from ganforge.losses.step import Discriminate, Step
from ganforge.losses.terms import DiscriminatorTerm

__all__ = ["R1", "R2", "Dragan", "GradientPenalty", "LipschitzPenalty", "input_gradient"]


def input_gradient(discriminate: Discriminate, images: Tensor, condition: Tensor | None) -> Tensor:
    """Return the gradient of each image's logit with respect to that image, itself differentiable.

    Args:
        discriminate: :attr:`Step.discriminate`; augmentation inside it is differentiated through, as in
            StyleGAN2-ADA.
        images: ``(n, c, h, w)``; cut from their graph, and widened to float32.
        condition: of the images, or ``None``.

    Returns:
        Float32 ``(n, c, h, w)``. Logits are summed over the batch before differentiation: where batch norm or
        minibatch deviation ties images together, other images' logits contribute too, as in every published
        implementation.
    """
    leaves = widen(images.detach()).requires_grad_()
    with torch.enable_grad(), full_precision(leaves):
        logits = discriminate(leaves, condition).logits
        return torch.autograd.grad(logits.sum(), leaves, create_graph=True)[0]


def _share_per_image(images: Tensor) -> Tensor:
    """Draw one number in [0, 1) for each of ``(n, ...)`` images or points, shaped to multiply them."""
    shape = (images.shape[0], *[1] * (images.ndim - 1))
    return torch.rand(shape, dtype=images.dtype, device=images.device)


@dataclass(kw_only=True, eq=False)
class GradientPenalty(DiscriminatorTerm):
    """``E[(||grad D(y)|| - centre)^2]`` on interpolates ``y = x + u (G(z) - x)``, ``u`` uniform per image.

    ``centre=1`` is WGAN-GP (Gulrajani et al. 2017, equation 3; weight = lambda = 10), ``centre=0`` the
    zero-centred penalty (Thanh-Tung et al. 2019). Interpolates have the real images' condition.

    Args:
        weight: lambda; no factor of a half.
        every: see :class:`Term`.
        player: the discriminator alone.
        centre: the norm that costs nothing.

    Raises:
        GanforgeError: if ``centre`` is negative, or ``player`` the generator.
    """

    centre: NonNegative = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.centre < 0:
            raise GanforgeError(f"{type(self).__name__}: centre is a norm and must be >= 0, got {self.centre}.")

    def __call__(self, step: Step) -> Tensor:
        """See :class:`Term`."""
        gradient = input_gradient(step.discriminate, self.points(step), step.condition)
        return self.excess(torch.linalg.vector_norm(gradient.flatten(1), dim=1)).square().mean()

    def points(self, step: Step) -> Tensor:
        """Images at which the gradient is taken, ``(n, c, h, w)``."""
        real = widen(step.real)
        return torch.lerp(real, widen(step.fake), _share_per_image(real))

    def excess(self, norms: Tensor) -> Tensor:
        """What is squared, from the ``(n,)`` norms."""
        return norms - self.centre


class LipschitzPenalty(GradientPenalty):
    """WGAN-LP: :class:`GradientPenalty` of norms above ``centre`` only (Petzka et al. 2018)."""

    def excess(self, norms: Tensor) -> Tensor:
        """``max(0, norm - centre)``."""
        return F.relu(norms - self.centre)


class Dragan(GradientPenalty):
    """The same penalty near real images (DRAGAN, Kodali et al. 2017; weight = lambda = 10).

    The paper's algorithm 1 perturbs with ``N(0, cI)``; as in the authors' code the points are
    ``x + u * 0.5 * std * v`` with ``std`` of the whole batch, ``v`` uniform for each value and ``u`` for each
    image.
    """

    def points(self, step: Step) -> Tensor:
        """Perturbed real images."""
        real = widen(step.real)
        return real + _share_per_image(real) * 0.5 * real.std(correction=0) * torch.rand_like(real)


class _ZeroCentred(DiscriminatorTerm):
    def __call__(self, step: Step) -> Tensor:
        """See :class:`Term`."""
        gradient = input_gradient(step.discriminate, *self.points(step))
        return gradient.square().flatten(1).sum(1).mean() / 2

    @abstractmethod
    def points(self, step: Step) -> tuple[Tensor, Tensor | None]:
        """Images at which the gradient is taken, and their condition."""


class R1(_ZeroCentred):
    """``E[||grad D(x)||^2] / 2`` on real images; weight = gamma (Mescheder et al. 2018, equation 9)."""

    def points(self, step: Step) -> tuple[Tensor, Tensor | None]:
        """Real images."""
        return step.real, step.condition


class R2(_ZeroCentred):
    """``E[||grad D(G(z))||^2] / 2`` on generated images; weight = gamma (Mescheder et al. 2018, eq. 10)."""

    def points(self, step: Step) -> tuple[Tensor, Tensor | None]:
        """Generated images."""
        return step.fake, step.fake_condition

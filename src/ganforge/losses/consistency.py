"""Consistency of the discriminator under perturbations of its input.

CR is :class:`Consistency`, bCR :class:`BalancedConsistency`; zCR is :class:`LatentConsistency` of the
discriminator with :class:`LatentDiversity` of the generator; ICR is bCR and zCR together: a list of terms,
not a class.

Published code compares more than logits where a network has more heads; here logits alone are compared, as in
both papers' equations.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from ganforge.core.annotations import NonNegative, Positive, Whole
from ganforge.core.errors import GanforgeError
from ganforge.losses.precision import widen
from ganforge.losses.step import Step
from ganforge.losses.terms import DiscriminatorTerm, GeneratorTerm
from ganforge.networks.critique import Critique

__all__ = ["BalancedConsistency", "Consistency", "FlipShift", "LatentConsistency", "LatentDiversity"]


class FlipShift:
    """Mirror each image with probability 1/2 and shift it by whole pixels, filling by reflection.

    Args:
        pixels: the largest shift along each axis, both ways; the paper's is 4. Must be below height and width.

    Raises:
        GanforgeError: if ``pixels`` is negative.
    """

    def __init__(self, pixels: Whole = 4) -> None:
        if pixels < 0:
            raise GanforgeError(f"FlipShift: pixels must be >= 0, got {pixels}.")
        self.pixels = pixels

    def __call__(self, images: Tensor) -> Tensor:
        """Return changed copies of ``(n, c, h, w)`` images, differentiable.

        Raises:
            GanforgeError: for samples that are no images, or images of no more than ``pixels`` pixels on a side.
        """
        if images.ndim != 4 or min(images.shape[2:]) <= self.pixels:
            shape = " x ".join(map(str, images.shape[1:]))
            raise GanforgeError(
                f"FlipShift: it moves images of more than {self.pixels} pixels on a side, and samples are {shape} "
                "numbers; give the term another augmentation, or leave it out."
            )
        n, _, height, width = images.shape
        device = images.device
        shifts = torch.randint(2 * self.pixels + 1, (2, n, 1), device=device)
        rows = torch.arange(height, device=device) + shifts[0]
        columns = torch.arange(width, device=device).expand(n, width)
        mirrored = torch.rand(n, 1, device=device) < 0.5
        columns = torch.where(mirrored, columns.flip(1), columns) + shifts[1]
        padded = F.pad(images, (self.pixels,) * 4, mode="reflect")
        batch = torch.arange(n, device=device)
        moved = padded[batch[:, None, None], :, rows[:, :, None], columns[:, None, :]]
        return moved.permute(0, 3, 1, 2).contiguous()


@dataclass(kw_only=True, eq=False)
class Consistency(DiscriminatorTerm):
    """CR: ``E[(D(x) - D(T(x)))^2]`` (Zhang et al. 2020, at the last layer; weight = lambda = 10).

    Args:
        weight: lambda.
        every: see :class:`Term`.
        player: the discriminator alone.
        augmentation: ``T``, from images to images of the same shape; ``None`` is :class:`FlipShift`.
    """

    augmentation: Callable[[Tensor], Tensor] | None = None

    def __call__(self, step: Step) -> Tensor:
        """See :class:`Term`."""
        return self.distance(step, step.real_critique, step.real, step.condition)

    def distance(self, step: Step, critique: Critique, samples: Tensor, condition: Tensor | None) -> Tensor:
        """Return the mean squared difference of samples' logits and those of their changed copies."""
        change = self.augmentation or FlipShift()
        return _mean_square(critique.logits, step.discriminate(change(samples), condition).logits)


@dataclass(kw_only=True, eq=False)
class BalancedConsistency(Consistency):
    """bCR: consistency on real and generated images (Zhao et al. 2021, algorithm 1; both lambdas 10).

    Args:
        weight: lambda of the real part.
        every: see :class:`Term`.
        player: the discriminator alone.
        augmentation: as for :class:`Consistency`.
        fake_weight: the generated part's lambda, as a multiple of ``weight``.
    """

    fake_weight: NonNegative = 1.0

    def __call__(self, step: Step) -> Tensor:
        """See :class:`Term`."""
        on_real, on_fake = step.real_critique, step.fake_critique
        fake = self.distance(step, on_fake, step.fake, step.fake_condition)
        return self.distance(step, on_real, step.real, step.condition) + self.fake_weight * fake


@dataclass(kw_only=True, eq=False)
class LatentConsistency(DiscriminatorTerm):
    """The discriminator's half of zCR: ``E[(D(G(z)) - D(G(z + e)))^2]`` with normal ``e``.

    Zhao et al. 2021, algorithm 2.

    Args:
        weight: the paper's ``lambda_dis``.
        every: see :class:`Term`.
        player: the discriminator alone.
        deviation: standard deviation of ``e``, in units of the latent.

    Raises:
        GanforgeError: if ``deviation`` is not positive, or ``player`` the generator.
    """

    deviation: Positive = 0.05

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_positive(self, self.deviation)

    def __call__(self, step: Step) -> Tensor:
        """See :class:`Term`."""
        critique = step.fake_critique
        with torch.no_grad():
            near = step.generate(_perturbed(step.require_latent(), self.deviation), step.fake_condition)
        return _mean_square(critique.logits, step.discriminate(near, step.fake_condition).logits)


@dataclass(kw_only=True, eq=False)
class LatentDiversity(GeneratorTerm):
    """The generator's half of zCR: ``-E[(G(z) - G(z + e))^2]``, the mean over images and their values.

    Weight = ``lambda_gen`` = 0.5 in the paper (Zhao et al. 2021, algorithm 2). The term is
    negative. The paper leaves open whether the equation's norm is a sum or a mean over pixels; StudioGAN takes
    the mean, and so here.

    Args:
        weight: the paper's ``lambda_gen``.
        every: see :class:`Term`.
        player: the generator alone.
        deviation: as for :class:`LatentConsistency`.

    Raises:
        GanforgeError: if ``deviation`` is not positive, or ``player`` the discriminator.
    """

    deviation: Positive = 0.05

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_positive(self, self.deviation)

    def __call__(self, step: Step) -> Tensor:
        """See :class:`Term`."""
        near = step.generate(_perturbed(step.require_latent(), self.deviation), step.fake_condition)
        return -_mean_square(step.fake, near)


def _mean_square(first: Tensor, second: Tensor) -> Tensor:
    return (widen(first) - widen(second)).square().mean()


def _perturbed(latent: Tensor, deviation: float) -> Tensor:
    return latent + deviation * torch.randn_like(latent)


def _check_positive(term: object, deviation: float) -> None:
    if deviation <= 0:
        raise GanforgeError(f"{type(term).__name__}: deviation must be > 0, got {deviation}.")

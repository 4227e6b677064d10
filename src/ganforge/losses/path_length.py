"""StyleGAN2's path length regularisation of the generator."""

import math
from dataclasses import dataclass, field
from typing import Protocol, cast

import torch
from torch import Tensor

from ganforge.core.annotations import Count, PositiveFraction
from ganforge.core.errors import GanforgeError
from ganforge.losses.precision import full_precision, mean_over_ranks, widen
from ganforge.losses.step import Step
from ganforge.losses.terms import GeneratorTerm

__all__ = ["PathLength"]


class _StyleGenerator(Protocol):
    def map(self, latent: Tensor, condition: Tensor | None) -> Tensor: ...

    def synthesise(self, styles: Tensor) -> Tensor: ...


@dataclass(kw_only=True, eq=False)
class PathLength(GeneratorTerm):
    """``E[(||J_w^T y|| - a)^2]``, ``y`` normal over the root of the pixels, ``a`` the mean norm.

    StyleGAN2, Karras et al. 2020, equation 4; weight 2 and ``every=4`` in the official code. The generator
    must have ``map(latent, condition) -> w``, ``(n, d)`` or ``(n, layers, d)``, and ``synthesise(w) ->
    images``. As in the official code norms are root mean squares over layers, the current batch is part of
    ``a``, ``n / batch_shrink`` images are used, and styles are mixed if ``map`` mixes them. Unlike there the
    latents are those of the step, and the kept ``a`` is one for all ranks.

    Args:
        weight: of the term.
        every: see :class:`Term`.
        player: the generator alone.
        decay: share of the current batch in ``a``.
        batch_shrink: divisor of the batch.

    Raises:
        GanforgeError: if ``decay`` is not in (0, 1], ``batch_shrink`` below 1, or ``player`` the
            discriminator.
    """

    decay: PositiveFraction = 0.01
    batch_shrink: Count = 2
    mean: Tensor = field(init=False, repr=False, default_factory=lambda: torch.zeros(()))

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.decay <= 1:
            raise GanforgeError(f"PathLength: decay must be in (0, 1], got {self.decay}.")
        if self.batch_shrink < 1:
            raise GanforgeError(f"PathLength: batch_shrink must be a whole number >= 1, got {self.batch_shrink}.")

    def __call__(self, step: Step) -> Tensor:
        """See :class:`Term`; each call moves the mean.

        Raises:
            GanforgeError: if the generator has no ``map`` and ``synthesise``.
        """
        lengths = self._lengths(step)
        old = self.mean.to(lengths)
        self.mean = torch.lerp(old, mean_over_ranks(lengths.mean()), self.decay)
        return (lengths - torch.lerp(old, lengths.mean(), self.decay)).square().mean()

    def _lengths(self, step: Step) -> Tensor:
        generator = step.networks["generator"]
        if not (hasattr(generator, "map") and hasattr(generator, "synthesise")):
            raise GanforgeError(
                "term.path_length needs a generator with map and synthesise, and network.generator "
                f"({type(generator).__name__}) has none: choose network=stylegan2, or leave the term out of term=[...]."
            )
        style_generator = cast(_StyleGenerator, generator)
        latent = step.require_latent()
        n = max(1, latent.shape[0] // self.batch_shrink)
        condition = None if step.fake_condition is None else step.fake_condition[:n]
        with full_precision(latent):
            styles = style_generator.map(latent[:n], condition)
            images = widen(style_generator.synthesise(styles))
            noise = torch.randn_like(images) / math.sqrt(images.shape[2] * images.shape[3])
            (gradient,) = torch.autograd.grad((images * noise).sum(), styles, create_graph=True)
        layers = gradient[0].numel() // gradient.shape[-1]
        norms: Tensor = torch.linalg.vector_norm(widen(gradient).flatten(1), dim=1)
        return norms / math.sqrt(layers)

    def state_dict(self) -> dict[str, Tensor]:
        """``mean``: the running mean of norms, a scalar."""
        return {"mean": self.mean}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """See :class:`~ganforge.losses.step.Term`."""
        self.mean = state["mean"]

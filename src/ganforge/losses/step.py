"""The input of losses and terms in one phase of a game; and the base of all terms."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from ganforge.core.annotations import Count, NonNegative
from ganforge.core.errors import GanforgeError
from ganforge.networks.critique import Critique, NotGiven

__all__ = ["Discriminate", "Generate", "Player", "Step", "Term"]

Player = Literal["generator", "discriminator"]
Discriminate = Callable[[Tensor, Tensor | None], Critique]
Generate = Callable[[Tensor | None, Tensor | None], Tensor]


@dataclass(frozen=True, kw_only=True)
class Step:
    """One batch of a game, real samples beside generated ones; terms read it and change nothing in it.

    Generated samples and the two critiques are computed when they are first read, in the autograd and autocast mode of
    the reader, and then kept: a phase computes no more than its losses read. Read them before entering a mode of one's
    own.

    Attributes:
        player: whose optimizer steps in this phase.
        real: ``(n, ...)``, images in [-1, 1], as the discriminator sees them but for augmentation.
        make_fake: returns ``fake``, each time the same.
        latent: ``(n, d)`` that gave ``fake``; ``None`` where the generator takes none.
        condition: of ``real``, ``(n, ...)``, or ``None``.
        fake_condition: of ``fake``, or ``None``.
        discriminate: ``(samples, condition) -> Critique``, augmentation included, the network in its training mode.
        generate: ``(latent, condition) -> samples`` with the generator's graph.
        augment: what ``discriminate`` does to samples before the network sees them.
        networks: the modules of both players by name, for terms over weights (orthogonal, historical averaging).
        images_seen: the clock, in real images over all ranks.
        surrogate: the discriminator's parameters in ``discriminate`` by name; ``None`` where they are its own.
    """

    player: Player
    real: Tensor
    make_fake: Callable[[], Tensor]
    latent: Tensor | None
    condition: Tensor | None
    fake_condition: Tensor | None
    discriminate: Discriminate
    generate: Generate
    augment: Callable[[Tensor], Tensor]
    networks: Mapping[str, nn.Module]
    images_seen: int
    surrogate: Mapping[str, Tensor] | None = None

    @cached_property
    def fake(self) -> Tensor:
        """``(n, ...)`` generated samples; they carry the generator's graph in its own phase only."""
        return self.make_fake()

    @cached_property
    def real_critique(self) -> Critique:
        """The discriminator's output on ``real``."""
        return self.discriminate(self.real, self.condition)

    @cached_property
    def fake_critique(self) -> Critique:
        """The discriminator's output on ``fake``."""
        return self.discriminate(self.fake, self.fake_condition)

    def require_latent(self) -> Tensor:
        """Return the latent.

        Raises:
            NotGiven: if the generator takes none.
        """
        if self.latent is None:
            raise NotGiven("the generator's latent", "latent=none", "choose a latent")
        return self.latent

    def require_labels(self) -> tuple[Tensor, Tensor]:
        """Return the int64 labels of the real and of the generated samples, ``(n,)`` each.

        Raises:
            NotGiven: if the conditions are none, or no labels.
        """
        if self.condition is None or self.fake_condition is None:
            raise NotGiven("labels", "conditioning=none", "add conditioning=label")
        if self.condition.dtype != torch.int64 or self.condition.ndim != 1:
            raise NotGiven("labels", "this conditioning", "choose conditioning=label")
        return self.condition, self.fake_condition


@dataclass(kw_only=True, eq=False)
class Term(ABC):
    """A penalty or auxiliary loss of one player, added to its adversarial loss.

    A subclass is a dataclass of its options that defines :meth:`__call__` on a :class:`Step`. Reading what this run
    does not give raises :class:`~ganforge.networks.critique.NotGiven`, before data is touched.

    Args:
        weight: multiplies the term; must be finite and not negative.
        every: apply the term each ``every``-th step of its player, as an optimizer step of its own, with the weight
            multiplied by ``every`` (lazy regularisation, StyleGAN2, Karras et al. 2020, appendix B).
        player: whose loss the term joins.

    Raises:
        GanforgeError: if an option is out of its range.
    """

    #: Whether the generator's term reads real samples, whose batch may then be one of its own.
    needs_real: ClassVar[bool] = False
    #: Whether it compares a sample with the target of what the sample was translated from.
    needs_pairs: ClassVar[bool] = False

    weight: NonNegative
    every: Count = 1
    player: Player = "discriminator"

    def __post_init__(self) -> None:
        name = type(self).__name__
        if not 0 <= self.weight < float("inf"):
            raise GanforgeError(f"{name}: weight must be a finite number >= 0, got {self.weight}.")
        if self.every < 1:
            raise GanforgeError(f"{name}: every must be a whole number >= 1, got {self.every}.")
        if self.player not in ("generator", "discriminator"):
            raise GanforgeError(f"{name}: player must be 'generator' or 'discriminator', got '{self.player}'.")

    @abstractmethod
    def __call__(self, step: Step) -> Tensor:
        """Return the unweighted term as a scalar tensor."""

    def state_dict(self) -> dict[str, Tensor]:
        """Return the term's state between steps, for checkpoints; most terms have none."""
        return {}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:  # noqa: B027 - nothing to restore by default
        """Restore the state of :meth:`state_dict`."""

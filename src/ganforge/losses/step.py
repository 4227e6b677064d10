"""What one phase of a training step has computed, for terms to read; and the base of all terms."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn

from ganforge.core.errors import GanforgeError
from ganforge.networks.critique import Critique

__all__ = ["Player", "Step", "Term"]

Player = Literal["generator", "discriminator"]


@dataclass(frozen=True)
class Step:
    """Everything a phase of a GAN step has computed; terms read it and add nothing to it.

    Attributes:
        player: whose optimizer steps in this phase.
        real: ``(n, c, h, w)`` images in [-1, 1] as the discriminator saw them before augmentation.
        fake: ``(n, c, h, w)`` generated images; they carry the generator's graph in its own phase only.
        real_critique: the discriminator's output on ``real``; ``None`` where the phase did not need it.
        fake_critique: the discriminator's output on ``fake``; ``None`` in a phase of terms that do not need it.
        latent: ``(n, latent_dim)`` that gave ``fake``.
        condition: of ``real``, or ``None``.
        fake_condition: of ``fake``, or ``None``.
        discriminate: ``(images, condition) -> Critique``, augmentation included, the network in its training mode.
        generate: ``(latent, condition) -> images`` with the generator's graph.
        augment: what ``discriminate`` does to images before the network sees them.
        stand_in: the discriminator's parameters in ``discriminate`` by name; ``None`` where they are its own.
        networks: the modules of both players by name, for terms over weights (orthogonal, historical averaging).
        images_seen: the clock, in real images over all ranks.
    """

    player: Player
    real: Tensor
    fake: Tensor
    real_critique: Critique | None
    fake_critique: Critique | None
    latent: Tensor
    condition: Tensor | None
    fake_condition: Tensor | None
    discriminate: Callable[[Tensor, Tensor | None], Critique]
    generate: Callable[[Tensor, Tensor | None], Tensor]
    augment: Callable[[Tensor], Tensor]
    stand_in: Mapping[str, Tensor] | None
    networks: dict[str, nn.Module]
    images_seen: int


class Term(ABC):
    """A penalty or auxiliary loss of one player, added to its adversarial loss.

    A subclass defines :meth:`__call__` on a :class:`Step` and names what it reads in ``needs``, so that a phase
    computes no more than its terms use and combinations that cannot work are refused before data is touched.

    Args:
        weight: multiplies the term; must be finite and not negative.
        every: apply the term each ``every``-th step of its player, as an optimizer step of its own, with the weight
            multiplied by ``every`` (lazy regularisation, StyleGAN2, Karras et al. 2020, appendix B).
        player: whose loss the term joins.
    """

    #: Fields of :class:`Step` or of its critiques that the term reads and that are not always there, from
    #: ``real_critique``, ``fake_critique``, ``condition``, ``features``, ``class_logits``, ``codes``, ``embedding``,
    #: ``local_embeddings``.
    needs: frozenset[str] = frozenset()

    def __init__(self, *, weight: float, every: int = 1, player: Player = "discriminator") -> None:
        if not 0 <= weight < float("inf"):
            raise GanforgeError(f"{type(self).__name__}: weight must be a finite number >= 0, got {weight}.")
        if every < 1:
            raise GanforgeError(f"{type(self).__name__}: every must be a whole number >= 1, got {every}.")
        if player not in ("generator", "discriminator"):
            raise GanforgeError(
                f"{type(self).__name__}: player must be 'generator' or 'discriminator', got '{player}'."
            )
        self.weight = weight
        self.every = every
        self.player: Player = player

    @abstractmethod
    def __call__(self, step: Step) -> Tensor:
        """Return the unweighted term as a scalar tensor."""

    def state_dict(self) -> dict[str, Tensor]:
        """Return what the term remembers between steps, for checkpoints; most remember nothing."""
        return {}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:  # noqa: B027 - nothing to restore by default
        """Restore what :meth:`state_dict` gave."""

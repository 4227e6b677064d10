"""Adversarial losses as functions of logits (high for real).

Each loss has ``discriminator(real, fake)`` and ``generator(fake, real)`` that map ``(n,)`` logits to scalars, and
``needs_real``: whether the generator's loss reads the real logits.
"""

from abc import ABC, abstractmethod

from torch import Tensor
from torch.nn import functional as F

__all__ = ["AdversarialLoss", "Minimax", "NonSaturating"]


class AdversarialLoss(ABC):
    """The two players' losses on logits; subclasses are stateless after construction."""

    #: Whether the generator's loss compares with real logits (relativistic losses).
    needs_real: bool = False

    @abstractmethod
    def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        """Loss that the discriminator minimises, from ``(n,)`` logits of real and of generated images; a scalar."""

    @abstractmethod
    def generator(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        """Loss that the generator minimises, from ``(n,)`` logits; ``real`` is given where ``needs_real``; a scalar."""


class Minimax(AdversarialLoss):
    """The original game: both players on the cross-entropy (Goodfellow et al. 2014, equation 1).

    ``L_D = -E[log sigma(D(x))] - E[log(1 - sigma(D(G(z))))]`` and ``L_G = E[log(1 - sigma(D(G(z))))]``.
    """

    def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        """See :class:`AdversarialLoss`."""
        return F.softplus(-real).mean() + F.softplus(fake).mean()

    def generator(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        """See :class:`AdversarialLoss`."""
        return -F.softplus(fake).mean()


class NonSaturating(Minimax):
    """The heuristic game of Goodfellow et al. 2014, section 3: the generator minimises ``-E[log sigma(D(G(z)))]``."""

    def generator(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        """See :class:`AdversarialLoss`."""
        return F.softplus(-fake).mean()

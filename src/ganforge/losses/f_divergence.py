"""f-GAN: adversarial losses whose optimum is a chosen f-divergence (Nowozin et al. 2016).

The variational function is ``T(x) = g(D(x))`` with the output activation ``g`` of table 6, which maps logits
onto the domain of the conjugate ``f*``. ``E_P[T] - E_Q[f*(T)]`` bounds ``D_f(P || Q)`` from below, with P the
data and Q the generator's distribution, and reaches it at ``T = f'(p / q)`` (equations 4 and 5). Every ``g``
rises: high is real.
"""

import math
from abc import abstractmethod
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from ganforge.core.errors import GanforgeError
from ganforge.losses.adversarial import AdversarialLoss
from ganforge.losses.precision import widen

__all__ = [
    "FDivergence",
    "JensenShannon",
    "KullbackLeibler",
    "PearsonChiSquared",
    "ReverseKullbackLeibler",
    "SquaredHellinger",
]


class FDivergence(AdversarialLoss):
    """``L_D = E[f*(g(D(G(z))))] - E[g(D(x))]``; the generator lowers the same bound, or a heuristic.

    Args:
        objective: ``"divergence"``: the generator minimises ``-E[f*(g(D(G(z))))]`` (algorithm 1);
            ``"heuristic"``: it minimises ``-E[g(D(G(z)))]``, which saturates less early in training (section
            3.2).

    Raises:
        GanforgeError: if ``objective`` is neither.
    """

    def __init__(self, *, objective: Literal["divergence", "heuristic"] = "divergence") -> None:
        if objective not in ("divergence", "heuristic"):
            raise GanforgeError(
                f"{type(self).__name__}: objective must be 'divergence' or 'heuristic', got '{objective}'."
            )
        self.objective = objective

    @abstractmethod
    def activation(self, logits: Tensor) -> Tensor:
        """The output activation ``g``, elementwise."""

    @abstractmethod
    def conjugate(self, logits: Tensor) -> Tensor:
        """``f*(g(.))``, elementwise and simplified: neither overflows where the composition would not."""

    def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        """See :class:`AdversarialLoss`; it is minus the lower bound of the divergence."""
        return self.conjugate(widen(fake)).mean() - self.activation(widen(real)).mean()

    def generator(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        """See :class:`AdversarialLoss`."""
        of_fake = self.conjugate if self.objective == "divergence" else self.activation
        return -of_fake(widen(fake)).mean()


class KullbackLeibler(FDivergence):
    """``KL(P || Q)``: ``g(v) = v`` and ``f*(t) = exp(t - 1)``."""

    def activation(self, logits: Tensor) -> Tensor:
        """``v``."""
        return logits

    def conjugate(self, logits: Tensor) -> Tensor:
        """``exp(v - 1)``."""
        return torch.exp(logits - 1)


class ReverseKullbackLeibler(FDivergence):
    """``KL(Q || P)``: ``g(v) = -exp(-v)`` and ``f*(t) = -1 - log(-t)``."""

    def activation(self, logits: Tensor) -> Tensor:
        """``-exp(-v)``."""
        return -torch.exp(-logits)

    def conjugate(self, logits: Tensor) -> Tensor:
        """``v - 1``."""
        return logits - 1


class PearsonChiSquared(FDivergence):
    """``E_Q[(p / q - 1)^2]``: ``g(v) = v`` and ``f*(t) = t^2 / 4 + t``."""

    def activation(self, logits: Tensor) -> Tensor:
        """``v``."""
        return logits

    def conjugate(self, logits: Tensor) -> Tensor:
        """``v^2 / 4 + v``."""
        return logits.square() / 4 + logits


class SquaredHellinger(FDivergence):
    """The integral of ``(sqrt(p) - sqrt(q))^2``: ``g(v) = 1 - exp(-v)`` and ``f*(t) = t / (1 - t)``."""

    def activation(self, logits: Tensor) -> Tensor:
        """``1 - exp(-v)``."""
        return -torch.expm1(-logits)

    def conjugate(self, logits: Tensor) -> Tensor:
        """``exp(v) - 1``."""
        return torch.expm1(logits)


class JensenShannon(FDivergence):
    """``KL(P || M) + KL(Q || M)``, ``M = (P + Q) / 2``: twice the usual one, as in the paper's table 1.

    ``g(v) = log 2 - log(1 + exp(-v))`` and ``f*(t) = -log(2 - exp(t))``. It is :class:`~.adversarial.Minimax`
    up to the constant ``log 4``.
    """

    def activation(self, logits: Tensor) -> Tensor:
        """``log 2 - softplus(-v)``."""
        return math.log(2) - F.softplus(-logits)

    def conjugate(self, logits: Tensor) -> Tensor:
        """``softplus(v) - log 2``."""
        return F.softplus(logits) - math.log(2)

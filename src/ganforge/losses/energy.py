"""Losses of autoencoding discriminators, on logits that are minus the energy: an image's reconstruction error."""

from collections.abc import Callable
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganforge.core.annotations import Fraction, NonNegative, Positive, PositiveFraction
from ganforge.core.errors import GanforgeError
from ganforge.losses.adversarial import AdversarialLoss
from ganforge.losses.precision import mean_over_ranks, widen

__all__ = ["BoundaryEquilibrium", "EnergyMargin"]


class EnergyMargin(AdversarialLoss):
    """EBGAN's margin loss (Zhao et al. 2017, equations 1 and 2), on logits that are minus the energy.

    ``L_D = E[-D(x)] + E[max(0, margin + D(G(z)))]`` and ``L_G = E[-D(G(z))]``.

    Args:
        margin: energy that generated images are pushed up to; above 0.
    """

    def __init__(self, *, margin: Positive = 1.0) -> None:
        if not margin > 0:
            raise GanforgeError(f"loss.margin must be > 0, got {margin}.")
        self.margin = margin

    def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        """See :class:`AdversarialLoss`."""
        return -real.mean() + F.relu(self.margin + fake).mean()

    def generator(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        """See :class:`AdversarialLoss`."""
        return -fake.mean()


class BoundaryEquilibrium(nn.Module, AdversarialLoss):
    """BEGAN's loss with its control of the balance (Berthelot et al. 2017, arXiv:1703.10717, section 3.4).

    With energies ``L = -D``: ``L_D = E[L(x)] - k E[L(G(z))]`` and ``L_G = E[L(G(z))]``. After each discriminator step
    ``k`` moves by ``rate * (diversity * E[L(x)] - E[L(G(z))])``, within [0, 1], so that generated images' energy comes
    to be ``diversity`` times that of real ones. ``E[L(x)] + |diversity * E[L(x)] - E[L(G(z))]|`` is the paper's measure
    of convergence, to be compared between runs of one network only.

    Both expectations are those of the discriminator's step, over all processes; the paper takes the second from the
    generator's step, whose images are other draws of the same generator. ``k`` is a buffer, so that it is in
    checkpoints, and keeps its float32 whatever the run's precision.

    Args:
        diversity: gamma, in (0, 1]; lower values draw cleaner and more uniform images.
        rate: lambda_k, the gain of the control.
        start: ``k`` at the start, in [0, 1].

    Raises:
        GanforgeError: if an argument is out of its range.
    """

    adapts = True
    k: Tensor
    convergence: Tensor

    def __init__(self, *, diversity: PositiveFraction = 0.5, rate: NonNegative = 0.001, start: Fraction = 0.0) -> None:
        super().__init__()
        if not 0 < diversity <= 1:
            raise GanforgeError(f"loss.diversity must be above 0 and at most 1, got {diversity}.")
        if not 0 <= rate < float("inf"):
            raise GanforgeError(f"loss.rate must be a finite number >= 0, got {rate}.")
        if not 0 <= start <= 1:
            raise GanforgeError(f"loss.start must be from 0 to 1, got {start}.")
        self.diversity = diversity
        self.rate = rate
        self.register_buffer("k", torch.tensor(float(start)))
        self.register_buffer("convergence", torch.tensor(0.0))  # the measure at the last discriminator step

    def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        """See :class:`AdversarialLoss`."""
        return self.k * widen(fake).mean() - widen(real).mean()

    def generator(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        """See :class:`AdversarialLoss`."""
        return -widen(fake).mean()

    def observe(self, real: Tensor, fake: Tensor) -> None:
        """See :class:`AdversarialLoss`; a collective call where ranks exist. Never waits for the device."""
        means = torch.stack([-widen(real).mean(), -widen(fake).mean()])
        on_real, on_fake = mean_over_ranks(means).unbind()
        excess = self.diversity * on_real - on_fake
        self.k.copy_((self.k + self.rate * excess).clamp(0, 1))
        self.convergence.copy_(on_real + excess.abs())

    def scalars(self) -> dict[str, Tensor]:
        """``k`` and ``convergence``, the paper's measure M."""
        return {"k": self.k, "convergence": self.convergence}

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        super()._apply(lambda buffer: buffer.to(fn(buffer).device), recurse)  # type: ignore[no-untyped-call]
        return self

"""Adversarial losses as functions of logits (high for real).

Each loss has ``discriminator(real, fake)`` and ``generator(fake, real)`` that map ``(n,)`` logits to scalars,
and ``needs_real``: whether the generator's loss reads the real logits.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Annotated

import torch
from torch import Tensor
from torch.nn import functional as F

from ganforge.core.annotations import Bounds, FractionBelowOne
from ganforge.core.errors import GanforgeError
from ganforge.losses.precision import widen
from ganforge.networks.critique import Critique

__all__ = [
    "AdversarialLoss",
    "Hinge",
    "LeastSquares",
    "Minimax",
    "NonSaturating",
    "RelativisticAverage",
    "RelativisticPaired",
    "Wasserstein",
    "mean_over_scales",
]


class AdversarialLoss(ABC):
    """The two players' losses on logits; pure functions, but for what :meth:`observe` adapts."""

    #: Whether the generator's loss compares with real logits (relativistic losses).
    needs_real: bool = False
    #: Whether :meth:`observe` changes the loss while training.
    adapts: bool = False

    @abstractmethod
    def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        """Loss that the discriminator minimises, from ``(n,)`` logits of either kind; a scalar."""

    @abstractmethod
    def generator(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        """Loss that the generator minimises, from ``(n,)`` logits, ``real`` if ``needs_real``; a scalar."""

    def observe(self, real: Tensor, fake: Tensor) -> None:  # noqa: B027 - most losses adapt to nothing
        """Adapt to a discriminator step that was just made; ``(n,)`` detached logits of either kind."""

    def scalars(self) -> dict[str, Tensor]:
        """Return the values to log after :meth:`observe`, scalar tensors by name."""
        return {}


class Minimax(AdversarialLoss):
    """The original game: both players on the cross-entropy (Goodfellow et al. 2014, equation 1).

    ``L_D = -E[log sigma(D(x))] - E[log(1 - sigma(D(G(z))))]`` and ``L_G = E[log(1 - sigma(D(G(z))))]``.

    Args:
        smoothing: the discriminator's target for real images is ``1 - smoothing`` (one-sided label smoothing,
            Salimans et al. 2016, section 3.4); in [0, 1).
        flipping: probability, per image and step, that the discriminator is given the other kind's target (a
            widespread trick, from Chintala's list "How to train a GAN", without a paper); in [0, 0.5).

    Raises:
        GanforgeError: if an argument is out of its range.
    """

    def __init__(
        self, *, smoothing: FractionBelowOne = 0.0, flipping: Annotated[float, Bounds(at_least=0, below=0.5)] = 0.0
    ) -> None:
        name = type(self).__name__
        if not 0 <= smoothing < 1:
            raise GanforgeError(f"{name}: smoothing must be in [0, 1), got {smoothing}.")
        if not 0 <= flipping < 0.5:
            raise GanforgeError(f"{name}: flipping must be in [0, 0.5), got {flipping}; half would leave no signal.")
        self.smoothing = smoothing
        self.flipping = flipping

    def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        """See :class:`AdversarialLoss`."""
        if self.smoothing == self.flipping == 0:
            return F.softplus(-real).mean() + F.softplus(fake).mean()
        return self._cross_entropy(real, 1.0).mean() + self._cross_entropy(fake, 0.0).mean()

    def _cross_entropy(self, logits: Tensor, share_real: float) -> Tensor:
        """Cross-entropy of ``logits`` whose unflipped targets are real (1) or generated (0)."""
        logits = widen(logits)
        flipped = torch.rand(logits.shape, device=logits.device) < self.flipping
        targets = torch.where(flipped, 1 - share_real, share_real) * (1 - self.smoothing)
        return F.binary_cross_entropy_with_logits(logits, targets.to(logits), reduction="none")

    def generator(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        """See :class:`AdversarialLoss`."""
        return -F.softplus(fake).mean()


class NonSaturating(Minimax):
    """The heuristic game of Goodfellow et al. 2014, section 3.

    The generator minimises ``L_G = -E[log sigma(D(G(z)))]``.
    """

    def generator(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        """See :class:`AdversarialLoss`."""
        return F.softplus(-fake).mean()


class LeastSquares(AdversarialLoss):
    """Squared distances to labels (LSGAN, Mao et al. 2017, equation 2), on the unbounded output of D.

    ``L_D = E[(D(x) - b)^2] / 2 + E[(D(G(z)) - a)^2] / 2`` and ``L_G = E[(D(G(z)) - c)^2] / 2``. The defaults
    are the paper's equation 9; ``a, b, c = -1, 1, 0`` minimises the Pearson divergence (equation 8).

    Args:
        fake_label: ``a``, the discriminator's target for generated images.
        real_label: ``b``, its target for real images.
        generator_label: ``c``, the generator's target for its images.

    Raises:
        GanforgeError: unless ``fake_label`` is the lowest: logits are high for real.
    """

    def __init__(self, *, fake_label: float = 0.0, real_label: float = 1.0, generator_label: float = 1.0) -> None:
        if not fake_label < min(real_label, generator_label):
            raise GanforgeError(
                f"LeastSquares: fake_label ({fake_label}) must be below real_label ({real_label}) and "
                f"generator_label ({generator_label}), for logits are high for real."
            )
        self.fake_label = fake_label
        self.real_label = real_label
        self.generator_label = generator_label

    def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        """See :class:`AdversarialLoss`."""
        return _half_square(real - self.real_label) + _half_square(fake - self.fake_label)

    def generator(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        """See :class:`AdversarialLoss`."""
        return _half_square(fake - self.generator_label)


class Wasserstein(AdversarialLoss):
    """The dual of the earth mover's distance (WGAN, Arjovsky et al. 2017, equation 2), up to its sign.

    ``L_D = E[D(G(z))] - E[D(x)]`` and ``L_G = -E[D(G(z))]``; D has to be kept Lipschitz by a constraint or a
    penalty.
    """

    def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        """See :class:`AdversarialLoss`."""
        return widen(fake).mean() - widen(real).mean()

    def generator(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        """See :class:`AdversarialLoss`."""
        return -widen(fake).mean()


class Hinge(AdversarialLoss):
    """Hinge loss of D with margins at 1 and -1 (Lim & Ye 2017; Miyato et al. 2018, equations 16 and 17).

    ``L_D = E[max(0, 1 - D(x))] + E[max(0, 1 + D(G(z)))]`` and ``L_G = -E[D(G(z))]``.
    """

    def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        """See :class:`AdversarialLoss`."""
        return F.relu(1 - widen(real)).mean() + F.relu(1 + widen(fake)).mean()

    def generator(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        """See :class:`AdversarialLoss`."""
        return -widen(fake).mean()


class RelativisticPaired(AdversarialLoss):
    """Logistic loss on pairs' differences (RpGAN, Jolicoeur-Martineau 2019; R3GAN, Huang et al. 2024).

    ``L_D = E[softplus(D(G(z)) - D(x))]`` and ``L_G = E[softplus(D(x) - D(G(z)))]``: the ``i``-th real image
    is compared with the ``i``-th generated one, so that both batches are of one size and, under conditioning,
    of one order.
    """

    needs_real = True

    def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        """See :class:`AdversarialLoss`."""
        return F.softplus(widen(fake) - widen(real)).mean()

    def generator(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        """See :class:`AdversarialLoss`."""
        return self.discriminator(fake, _given(self, real))


class RelativisticAverage(AdversarialLoss):
    """Logits less the mean of the other kind's, in another loss (RaGAN, Jolicoeur-Martineau 2019, section 4).

    With ``r = D(x) - E[D(G(z))]`` and ``f = D(G(z)) - E[D(x)]``: ``L_D = form.discriminator(r, f)`` and
    ``L_G = form.discriminator(f, r)``. ``NonSaturating()`` gives RaSGAN, ``LeastSquares(fake_label=-1)``
    gives RaLSGAN (at half the paper's value), ``Hinge()`` gives RaHingeGAN. The official code halves every
    form; here, as in the paper's algorithm 2, the two means are added. Label noise of ``form`` reaches both
    players.

    Args:
        form: the loss whose ``discriminator`` is applied; ``None`` is ``NonSaturating()``.

    Raises:
        GanforgeError: if ``form`` is relativistic itself.
    """

    needs_real = True

    def __init__(self, form: AdversarialLoss | None = None) -> None:
        self.form = NonSaturating() if form is None else form
        if self.form.needs_real:
            raise GanforgeError(
                f"RelativisticAverage: form is {type(form).__name__}, which compares with real logits "
                "already; give form a loss that does not, such as NonSaturating."
            )

    def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        """See :class:`AdversarialLoss`."""
        real, fake = widen(real), widen(fake)
        return self.form.discriminator(real - fake.mean(), fake - real.mean())

    def generator(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        """See :class:`AdversarialLoss`."""
        return self.discriminator(fake, _given(self, real))


def mean_over_scales(loss: Callable[..., Tensor], *critiques: Critique) -> Tensor:
    """Return the mean of a loss of logits over a discriminator's scales; most have one."""
    values = [loss(*logits) for logits in zip(*(critique.scales() for critique in critiques), strict=True)]
    return values[0] if len(values) == 1 else torch.stack(values).mean()


def _half_square(difference: Tensor) -> Tensor:
    return widen(difference).square().mean() / 2


def _given(loss: AdversarialLoss, real: Tensor | None) -> Tensor:
    if real is None:
        raise GanforgeError(f"{type(loss).__name__}: the generator's loss compares with real logits; pass real.")
    return real

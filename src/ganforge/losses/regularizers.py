"""Regularisers of either player: on logits, weights, features and latents."""

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from ganforge.core.annotations import FractionBelowOne, Whole
from ganforge.core.errors import GanforgeError
from ganforge.losses.precision import full_precision, mean_over_ranks, widen
from ganforge.losses.step import Step, Term
from ganforge.losses.terms import DiscriminatorTerm, GeneratorTerm

__all__ = [
    "Drift",
    "FeatureMatching",
    "HistoricalAveraging",
    "LeCam",
    "ModeSeeking",
    "Orthogonal",
]


class Drift(DiscriminatorTerm):
    """``E[D(x)^2]``, keeps a Wasserstein critic near zero (ProGAN, Karras et al. 2018, A.1; weight 0.001)."""

    def __call__(self, step: Step) -> Tensor:
        """See :class:`Term`."""
        return widen(step.real_critique.logits).square().mean()


@dataclass(kw_only=True, eq=False)
class LeCam(DiscriminatorTerm):
    """``E[max(0, D(x) - a_F)^2] + E[max(0, a_R - D(G(z)))^2]``, anchors ``a`` averages of past logits.

    Tseng et al. 2021, in the one-sided form of the official code; weight = lambda = 0.01 to 0.3
    there. The anchors include the current batch and start at the first batch's means (the official code: at
    1000 with a start at a later step, or without bias in its TensorFlow version).

    Args:
        weight: lambda.
        every: see :class:`Term`.
        player: the discriminator alone.
        decay: of the anchors, per call.
        start_images: the term is zero, while anchors follow the current batch, until the clock shows as many
            images.

    Raises:
        GanforgeError: if ``decay`` is not in [0, 1), or ``player`` the generator.
    """

    decay: FractionBelowOne = 0.99
    start_images: Whole = 0
    anchors: Tensor | None = field(init=False, repr=False, default=None)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.decay < 1:
            raise GanforgeError(f"LeCam: decay must be in [0, 1), got {self.decay}.")

    def __call__(self, step: Step) -> Tensor:
        """See :class:`Term`; each call moves the anchors."""
        real, fake = widen(step.real_critique.logits), widen(step.fake_critique.logits)
        waiting = step.images_seen < self.start_images
        means = mean_over_ranks(torch.stack([real.mean(), fake.mean()]))
        old = means if self.anchors is None or waiting else self.anchors.to(means)
        self.anchors = torch.lerp(means, old, self.decay)
        real_anchor, fake_anchor = self.anchors.unbind()
        value = (real - fake_anchor).relu().square().mean() + (real_anchor - fake).relu().square().mean()
        return value * 0 if waiting else value

    def state_dict(self) -> dict[str, Tensor]:
        """``anchors``: real and generated, ``(2,)``."""
        return {} if self.anchors is None else {"anchors": self.anchors}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """See :class:`~ganforge.losses.step.Term`."""
        self.anchors = state.get("anchors")


class Orthogonal(Term):
    """``sum ||W W^T * (1 - I)||_F^2 / 2`` over weights: rows turn orthogonal, their norms stay free.

    BigGAN, Brock et al. 2019, equation 3, halved as in the gradient that the authors' PyTorch code adds; weight =
    beta = 1e-4, on the weights of ``player``'s network. Embeddings are left out (there: the generator's shared
    embedding only), as are vectors; weights under spectral norm enter undivided, as there.
    """

    def __call__(self, step: Step) -> Tensor:
        """See :class:`Term`."""
        network = step.networks[self.player]
        embeddings = {
            id(weight)
            for module in network.modules()
            if isinstance(module, nn.Embedding)
            for weight in module.parameters()
        }
        total = torch.zeros((), device=step.real.device)
        with full_precision(step.real):
            for weight in network.parameters():
                if weight.ndim >= 2 and id(weight) not in embeddings:
                    rows = widen(weight).flatten(1)
                    products = rows @ rows.T
                    total = total + (products - products.diag().diag()).square().sum() / 2
        return total


@dataclass(kw_only=True, eq=False)
class HistoricalAveraging(Term):
    """``||theta - (1/t) sum_i theta_i||^2`` over ``player``'s parameters (Salimans et al. 2016, section 3.3).

    The sum runs over this term's calls up to the present one, and the average counts as a constant. It holds
    one copy of the parameters.
    """

    count: int = field(init=False, repr=False, default=0)
    means: dict[str, Tensor] = field(init=False, repr=False, default_factory=dict)

    def __call__(self, step: Step) -> Tensor:
        """See :class:`Term`; each call moves the averages."""
        self.count += 1
        total = torch.zeros((), device=step.real.device)
        for name, parameter in step.networks[self.player].named_parameters():
            now = widen(parameter)
            old = self.means.get(name, now.detach()).to(now)
            self.means[name] = torch.lerp(old, now.detach(), 1 / self.count)
            total = total + (now - self.means[name]).square().sum()
        return total

    def state_dict(self) -> dict[str, Tensor]:
        """``count`` of calls, and the averages under ``mean.`` with the parameter's name."""
        means = {f"mean.{name}": mean for name, mean in self.means.items()}
        return {"count": torch.tensor(self.count), **means} if self.count else {}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """See :class:`~ganforge.losses.step.Term`."""
        self.count = int(state["count"]) if state else 0
        self.means = {name.removeprefix("mean."): mean for name, mean in state.items() if name != "count"}


class FeatureMatching(GeneratorTerm):
    """``||E[f(x)] - E[f(G(z))]||^2``, means over the batch (Salimans et al. 2016, section 3.1)."""

    needs_real = True

    def __call__(self, step: Step) -> Tensor:
        """See :class:`Term`; no gradient flows through the real images' features."""
        real, fake = step.real_critique.require("features"), step.fake_critique.require("features")
        return (widen(real.detach()).mean(0) - widen(fake).mean(0)).square().sum()


class ModeSeeking(GeneratorTerm):
    """``1 / (E|G(z1) - G(z2)| / E|z1 - z2| + 1e-5)``, means over the batch (MSGAN, Mao et al. 2019).

    The paper maximises the ratio; the authors' code minimises its inverse, and so here (weight 1). The second
    latent is the batch's neighbour, so that it comes from the run's prior; both images of a pair have one
    condition. Without conditions the second image is the neighbour's, at no cost.
    """

    def __call__(self, step: Step) -> Tensor:
        """See :class:`Term`.

        Raises:
            GanforgeError: if the batch holds a single latent.
        """
        latent = step.require_latent()
        if latent.shape[0] < 2:
            raise GanforgeError("ModeSeeking: it compares images of a batch; raise batch_size to 2 or more.")
        other = latent.roll(1, 0)
        second = step.fake.roll(1, 0) if step.fake_condition is None else step.generate(other, step.fake_condition)
        images = (widen(step.fake) - widen(second)).abs().mean()
        return 1 / (images / (widen(latent) - widen(other)).abs().mean() + 1e-5)

"""Losses of the discriminator's further heads: classes, codes and contrastive embeddings."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from ganforge.core.annotations import Fraction, NonNegative, Positive, Whole
from ganforge.core.errors import GanforgeError
from ganforge.losses.precision import full_precision, widen
from ganforge.losses.step import Step, Term
from ganforge.networks.critique import Critique

__all__ = ["Classification", "ConditionalContrastive", "DataToDataCrossEntropy", "Information"]


def _own_critique(term: Term, step: Step) -> tuple[Critique, Tensor]:
    """Return the critique and labels of the images of the term's player: real for D, generated for G."""
    real, fake = step.require_labels()
    return (step.real_critique, real) if term.player == "discriminator" else (step.fake_critique, fake)


@dataclass(kw_only=True, eq=False)
class Classification(Term):
    """Cross-entropy of the class head (AC-GAN, Odena et al. 2017, equation 3; weight 1).

    The discriminator learns real images' labels and, times ``fake_weight``, those of generated ones; the
    generator's term is on generated images.

    Args:
        weight: of the term.
        every: see :class:`Term`.
        player: whose loss it joins; list it for both.
        fake_weight: of generated images in the discriminator's term: 1 in the paper, 0 in most later code
            (StudioGAN), where the head learns from real images only.

    Raises:
        GanforgeError: if ``fake_weight`` is negative.
    """

    fake_weight: NonNegative = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.fake_weight < 0:
            raise GanforgeError(f"Classification: fake_weight must be >= 0, got {self.fake_weight}.")

    def __call__(self, step: Step) -> Tensor:
        """See :class:`Term`; conditions are int64 labels."""
        value = _cross_entropy(*_own_critique(self, step))
        if self.player == "generator" or self.fake_weight == 0:
            return value
        return value + self.fake_weight * _cross_entropy(step.fake_critique, step.require_labels()[1])


def _cross_entropy(critique: Critique, labels: Tensor) -> Tensor:
    return F.cross_entropy(widen(critique.require("class_logits")), labels)


@dataclass(kw_only=True, eq=False)
class Information(Term):
    """Minus InfoGAN's lower bound of the mutual information between codes and images, in nats.

    ``-L_I = -E[log Q(c | G(z, c))] - H(c)`` (Chen et al. 2016, equation 5; weight = lambda = 1). The latent's
    last columns are the code: one-hot of ``categories``, then ``continuous`` values uniform in [-1, 1].
    ``Critique.codes`` are ``categories`` logits, then ``continuous`` means of normal distributions; the
    paper's Q learns deviations, the authors' MNIST code fixes them at 1. Both players maximise the bound:
    list the term for each, as Q is part of D.

    Args:
        weight: lambda.
        every: see :class:`Term`.
        player: whose loss it joins.
        categories: values of the categorical code; 0 for none.
        continuous: number of continuous codes; 0 for none.
        deviation: standard deviation of the continuous codes under Q.
        continuous_weight: of the continuous codes' log-likelihood; the value is the bound at 1 only.

    Raises:
        GanforgeError: if there is no code, or ``deviation`` is not positive.
    """

    categories: Whole = 10
    continuous: Whole = 2
    deviation: Positive = 1.0
    continuous_weight: NonNegative = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if min(self.categories, self.continuous) < 0 or self.categories + self.continuous == 0:
            raise GanforgeError(
                f"Information: categories ({self.categories}) and continuous ({self.continuous}) must be >= 0 and not "
                "both 0."
            )
        if self.deviation <= 0:
            raise GanforgeError(f"Information: deviation must be > 0, got {self.deviation}.")

    def __call__(self, step: Step) -> Tensor:
        """See :class:`Term`.

        Raises:
            GanforgeError: if the code head has another width than the code, or the latent is narrower.
        """
        width = self.categories + self.continuous
        codes, latent = widen(step.fake_critique.require("codes")), step.require_latent()
        if codes.shape[1] != width or latent.shape[1] < width:
            raise GanforgeError(
                f"Information: categories + continuous is {width}, but the code head has {codes.shape[1]} "
                f"outputs and the latent {latent.shape[1]} columns; make the "
                "network's and the latent's codes agree with it."
            )
        sent = widen(latent)[:, -width:]
        value = codes.new_zeros(())
        if self.categories:
            chosen = sent[:, : self.categories].argmax(1)
            value = value + F.cross_entropy(codes[:, : self.categories], chosen) - math.log(self.categories)
        if self.continuous:
            errors = (codes - sent)[:, self.categories :] / self.deviation
            constant = math.log(self.deviation) + math.log(2 * math.pi) / 2 - math.log(2)
            surprise = errors.square().mean() / 2 + constant
            value = value + self.continuous_weight * self.continuous * surprise
        return value


@dataclass(kw_only=True, eq=False)
class ConditionalContrastive(Term):
    """2C loss: an image's embedding attracts its class's proxy (ContraGAN, Kang & Park 2020, equation 8).

    ``-log[(e(p_i) + sum_{j != i, y_j = y_i} e(j)) / (e(p_i) + sum_{j != i} e(j))]`` with ``e(.)`` the
    exponential of the cosine with embedding ``i`` over the temperature; on real images for D, on generated
    ones for G. The official code gathers embeddings from all ranks; here the batch is the rank's own.

    Args:
        weight: lambda.
        every: see :class:`Term`.
        player: whose loss it joins; list it for both.
        temperature: of the cosines; 1 in the paper's CIFAR-10 runs.

    Raises:
        GanforgeError: if ``temperature`` is not positive.
    """

    temperature: Positive = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.temperature <= 0:
            raise GanforgeError(f"{type(self).__name__}: temperature must be > 0, got {self.temperature}.")

    def __call__(self, step: Step) -> Tensor:
        """See :class:`Term`; conditions are int64 labels."""
        critique, labels = _own_critique(self, step)
        embedding = F.normalize(widen(critique.require("embedding")), dim=1)
        proxy = F.normalize(widen(critique.require("proxy")), dim=1)
        with full_precision(embedding):
            pairs = embedding @ embedding.T
        return self.contrast(pairs, (embedding * proxy).sum(1), labels[:, None] == labels[None, :])

    def contrast(self, pairs: Tensor, to_proxy: Tensor, same: Tensor) -> Tensor:
        """The loss, from cosines of pairs ``(n, n)`` and to proxies ``(n,)``, and equal labels ``(n, n)``."""
        itself = torch.eye(len(same), dtype=torch.bool, device=same.device)
        others = (pairs / self.temperature).masked_fill(itself, -math.inf)
        proxy = (to_proxy / self.temperature)[:, None]
        friends = others.masked_fill(~same, -math.inf)
        everyone = torch.cat([proxy, others], 1).logsumexp(1)
        return (everyone - torch.cat([proxy, friends], 1).logsumexp(1)).mean()


@dataclass(kw_only=True, eq=False)
class DataToDataCrossEntropy(ConditionalContrastive):
    """D2D-CE (ReACGAN, Kang et al. 2021; weight = lambda = 0.5 on CIFAR-10).

    ``-log[e(p_i) / (e(p_i) + sum_{y_j != y_i} e(j))]`` with ``e(p_i) = exp(min(0, cos - margin) /
    temperature)`` and ``e(j) = exp(max(0, cos - (1 - margin)) / temperature)``: easy positives and easy
    negatives exert no force.

    Args:
        weight: lambda.
        every: see :class:`Term`.
        player: whose loss it joins; list it for both.
        temperature: 0.5 on CIFAR-10.
        margin: cosine from which a positive is easy (the paper's ``m_p``); negatives are below ``1 -
            margin``.
        scaled_negatives: multiply the negatives of an image by ``exp(-max_{j != i} (cos - 1 + margin) / temperature)``,
            a constant, and not the positive. The authors' code (StudioGAN) does, for stability; it changes the value.

    Raises:
        GanforgeError: if ``temperature`` is not positive, or ``margin`` not in [0, 1].
    """

    temperature: Positive = 0.5
    margin: Fraction = 0.98
    scaled_negatives: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.margin <= 1:
            raise GanforgeError(f"DataToDataCrossEntropy: margin must be in [0, 1], got {self.margin}.")

    def contrast(self, pairs: Tensor, to_proxy: Tensor, same: Tensor) -> Tensor:
        """See :class:`ConditionalContrastive`."""
        positive = (to_proxy - self.margin).clamp(max=0)[:, None] / self.temperature
        excess = (pairs - (1 - self.margin)) / self.temperature
        negative = excess.relu()
        if self.scaled_negatives:
            itself = torch.eye(len(same), dtype=torch.bool, device=same.device)
            negative = negative - excess.detach().masked_fill(itself, -math.inf).amax(1, keepdim=True)
        competing = torch.cat([positive, negative.masked_fill(same, -math.inf)], 1)
        return (competing.logsumexp(1) - positive[:, 0]).mean()

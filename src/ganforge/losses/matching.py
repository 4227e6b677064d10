"""Losses of pairs of a sample and its condition: mismatched pairs, averaged texts, a penalty on matching pairs."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ganforge.core.annotations import Positive
from ganforge.core.errors import GanforgeError
from ganforge.losses.adversarial import AdversarialLoss, mean_over_scales
from ganforge.losses.precision import full_precision, widen
from ganforge.losses.step import Step, Term
from ganforge.losses.terms import DiscriminatorTerm, GeneratorTerm
from ganforge.networks.critique import Critique, NotGiven
from ganforge.networks.text import TextEncoder

__all__ = ["MatchingPenalty", "Mismatched", "TextInterpolation", "mismatched_rows"]


def mismatched_rows(conditions: Tensor) -> Tensor:
    """Draw a permutation that gives each row another row's condition, one that differs.

    Args:
        conditions: ``(n, ...)``, such as tokens of texts; equal rows are the same condition.

    Returns:
        ``(n,)`` int64 rows, on the conditions' device. There is such a permutation where no condition is that of more
        than half of the rows; where one is, some of its rows get an equal one, as few as can be.
    """
    _, groups, counts = conditions.reshape(len(conditions), -1).unique(dim=0, return_inverse=True, return_counts=True)
    n, largest = len(groups), int(counts.max())
    shuffled = torch.randperm(n).to(groups.device)
    ranks = torch.randperm(len(counts)).to(groups.device)
    order = shuffled[ranks[groups[shuffled]].argsort(stable=True)]  # rows of one condition stand together
    span = max(n - 2 * largest, 0) + 1
    shift = min(largest + int(torch.randint(span, ())), n)  # from the largest group's size to n less it
    rows = torch.empty_like(order)
    rows[order] = order.roll(-shift)
    return rows


def _refuse_adaptive(term: Term, loss: AdversarialLoss) -> None:
    if loss.adapts:
        raise GanforgeError(
            f"{type(term).__name__} holds a copy of the loss, and {type(loss).__name__} adapts while training: choose "
            "another loss, such as loss=hinge, or take the term away, as in ~term.mismatched."
        )


@dataclass(kw_only=True, eq=False)
class Mismatched(DiscriminatorTerm):
    """Real samples with another one's condition count as generated ones (the matching-aware D of Reed et al. 2016).

    ``L_D(x, G(z) and x' together) - L_D(x, G(z))``, where ``x'`` is ``x`` with a wrong condition: with weight 1 and
    losses that are means, real + (generated + mismatched) / 2 is left, equation 4 of algorithm 1 and DF-GAN's code.
    Conditions are those of the batch, shuffled so that they differ; real samples that can get no other one are left
    out. The authors of GAN-INT-CLS give wrong images to right texts instead.

    Args:
        weight: 1 for halves; 0 leaves mismatched pairs out.
        every: see :class:`Term`.
        player: the discriminator alone.
        loss: the adversarial loss.

    Raises:
        GanforgeError: if ``loss`` adapts while training.
    """

    loss: AdversarialLoss

    def __post_init__(self) -> None:
        super().__post_init__()
        _refuse_adaptive(self, self.loss)

    def __call__(self, step: Step) -> Tensor:
        """See :class:`Term`."""
        if step.condition is None:
            raise NotGiven("labels or texts", "conditioning=none", "add conditioning=label or conditioning=text")
        real, fake = step.real_critique, step.fake_critique
        without = mean_over_scales(self.loss.discriminator, real, fake)
        wrong = step.condition[mismatched_rows(step.condition)]
        rows = (wrong != step.condition).reshape(len(wrong), -1).any(1).nonzero()[:, 0]
        if len(rows) < 2:  # batch norms need two
            return 0.0 * without
        mismatched = step.discriminate(step.real[rows], wrong[rows])
        together = mean_over_scales(
            self.loss.discriminator,
            real._replace(logits=torch.cat([real.logits, real.logits[rows]])),
            fake._replace(logits=torch.cat([fake.logits, mismatched.logits])),
        )
        return together - without


@dataclass(kw_only=True, eq=False)
class TextInterpolation(GeneratorTerm):
    """The generator's loss on averages of two texts' embeddings (GAN-INT, Reed et al. 2016, equation 5, beta 1/2).

    The first half of the batch is paired with the second, under new latents. No real sample has such a condition.

    Args:
        weight: the authors' loss is the mean over a batch and a half, and so half of that of whole texts.
        every: see :class:`Term`.
        player: the generator alone.
        loss: the adversarial loss.

    Raises:
        GanforgeError: if ``loss`` adapts while training, or ``player`` is the discriminator.
    """

    loss: AdversarialLoss

    def __post_init__(self) -> None:
        super().__post_init__()
        _refuse_adaptive(self, self.loss)

    def __call__(self, step: Step) -> Tensor:
        """See :class:`Term`."""
        texts = step.fake_condition
        if texts is None or texts.ndim != 2:
            raise NotGiven(
                "texts", "conditioning=none" if texts is None else "this conditioning", "set conditioning=text"
            )
        half = len(texts) // 2
        if not half:
            return 0.0 * mean_over_scales(self.loss.generator, step.fake_critique, *self._real(step, 1))
        pairs = torch.stack([texts[:half], texts[half : 2 * half]], 1)
        averages = pairs.mean(1) if pairs.is_floating_point() else pairs
        latent = step.latent if step.latent is None else torch.randn_like(step.latent[:half])
        critique = step.discriminate(step.generate(latent, averages), averages)
        return mean_over_scales(self.loss.generator, critique, *self._real(step, half))

    def _real(self, step: Step, count: int) -> list[Critique]:
        """Return the critique of the first real samples where the loss compares with them."""
        if not self.loss.needs_real:
            return []
        return [step.real_critique._replace(logits=step.real_critique.logits[:count])]


@dataclass(kw_only=True, eq=False)
class MatchingPenalty(DiscriminatorTerm):
    """``E[||grad_(x, s) D(x, s)||^power]`` on real samples and their texts (MA-GP, Tao et al. 2022, equation 2).

    The norm is of both gradients together, ``s`` being the sentence embedding, a constant as in the paper. The
    discriminator has a text encoder, ``text``, and takes embeddings for conditions, as those of
    :mod:`ganforge.networks.df_gan` do.

    Args:
        weight: k, 2 in the paper.
        every: see :class:`Term`.
        player: the discriminator alone.
        power: p, 6 in the paper.

    Raises:
        GanforgeError: if ``power`` is not above 0, or ``player`` is the generator.
    """

    power: Positive = 6.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.power > 0:
            raise GanforgeError(f"MatchingPenalty: power must be above 0, got {self.power}.")

    def __call__(self, step: Step) -> Tensor:
        """See :class:`Term`."""
        network = step.networks["discriminator"]
        encoder = getattr(network, "text", None)
        if not isinstance(encoder, TextEncoder):
            raise NotGiven("the discriminator's text encoder", "network.discriminator", "choose network=df_gan")
        with torch.no_grad():
            embedding: Tensor = encoder(step.condition)
        leaves = [widen(each.detach()).requires_grad_() for each in (step.real, embedding)]
        with torch.enable_grad(), full_precision(step.real):
            logits = step.discriminate(*leaves).logits
            gradients = torch.autograd.grad(logits.sum(), leaves, create_graph=True)
        together = torch.cat([gradient.flatten(1) for gradient in gradients], 1)
        norms: Tensor = torch.linalg.vector_norm(together, dim=1)
        return norms.pow(self.power).mean()

"""Consensus optimization: both players also minimise the norm of the game's gradient."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from ganforge.core.errors import GanforgeError
from ganforge.losses.adversarial import AdversarialLoss
from ganforge.losses.precision import full_precision, widen
from ganforge.losses.step import Player, Step, Term
from ganforge.networks.critique import Critique
from ganforge.networks.functional import as_function

__all__ = ["Consensus"]

Weights = Mapping[str, Tensor]


@dataclass(kw_only=True, eq=False)
class Consensus(Term):
    """``(||grad_theta L_G||^2 + ||grad_psi L_D||^2) / 2`` of the adversarial losses (Mescheder et al. 2017, section 4).

    Weight is gamma; list the term for both players. Simultaneous gradient steps then follow a field whose
    Jacobian at an equilibrium is ``J - gamma J^T J`` instead of ``J``, so that eigenvalues on the imaginary axis
    move to the left: the theory is for ``model=simultaneous``. In an alternating game each player's term is taken
    at the weights that its own phase begins from.

    The gradients are those of the batch at hand, as in the paper, so the term also penalises their noise. It runs
    forwards of its own, without autocast; the opponent's weights are constants, and buffers stay as they are. Over
    several processes or parts of a batch the term is the mean of each one's own.

    Args:
        weight: gamma.
        every: see :class:`Term`.
        player: whose loss it joins.
        loss: the adversarial loss of both players.

    Raises:
        GanforgeError: if ``loss`` adapts while training, because the term holds a copy that would not.
    """

    loss: AdversarialLoss

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.loss.adapts:
            raise GanforgeError(
                f"term.consensus holds a copy of the loss, and {type(self.loss).__name__} adapts while training: "
                "choose another loss, or leave consensus out of term=[...]."
            )

    def __call__(self, step: Step) -> Tensor:
        """See :class:`Term`."""
        theta, psi = self._weights(step, "generator"), self._weights(step, "discriminator")
        generate = as_function(step.networks["generator"], theta)
        judge_fake, judge_real = (as_function(step.networks["discriminator"], psi) for _ in range(2))
        with torch.enable_grad(), full_precision(step.real):
            fake: Tensor = generate(None if step.latent is None else widen(step.latent), step.fake_condition)
            on_fake = Critique.of(judge_fake(step.augment(fake), step.fake_condition), fake)
            on_real = Critique.of(judge_real(step.augment(widen(step.real)), step.condition), step.real)
            generator = self.loss.generator(on_fake.logits, on_real.logits)
            discriminator = self.loss.discriminator(on_real.logits, on_fake.logits)
            return (_square_of_gradient(generator, theta) + _square_of_gradient(discriminator, psi)) / 2

    def _weights(self, step: Step, player: Player) -> Weights:
        """Return the parameters in force: the term's own player's themselves, else leaves of equal values."""
        weights: Weights = dict(step.networks[player].named_parameters())
        if player == self.player:
            return weights
        if player == "discriminator" and step.surrogate is not None:
            weights = step.surrogate
        return {name: weight.detach().requires_grad_() for name, weight in weights.items()}


def _square_of_gradient(loss: Tensor, weights: Weights) -> Tensor:
    free = [weight for weight in weights.values() if weight.requires_grad]
    gradients = torch.autograd.grad(loss, free, create_graph=True, materialize_grads=True)
    return torch.stack([gradient.square().sum() for gradient in gradients]).sum()

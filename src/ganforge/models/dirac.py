"""The Dirac-GAN (Mescheder et al. 2018) through the real training code, to compare with closed forms."""

from collections.abc import Callable, Mapping
from functools import partial

import torch
from torch import Tensor

from ganforge.data.columns import Batch
from ganforge.latents import Normal
from ganforge.losses.adversarial import AdversarialLoss
from ganforge.losses.constraint import Constraint
from ganforge.losses.step import Term
from ganforge.models.gan import GAN
from ganforge.models.manual_loop import ManualLoop
from ganforge.networks import dirac

__all__ = ["dirac_game", "play"]


def dirac_game(
    loss: AdversarialLoss,
    *,
    terms: Mapping[str, Term] | None = None,
    constraint: Constraint | None = None,
    procedure: Callable[..., GAN] = GAN,
    n_critic: int = 1,
    step_size: float = 0.2,
    optimizer: Callable[..., torch.optim.Optimizer] = torch.optim.SGD,
    start: tuple[float, float] = (1.0, -1.0),
) -> GAN:
    """Build the game in float64, both players on plain gradient descent by default.

    Args:
        loss: see :class:`GAN`, as are ``terms``, ``constraint`` and ``n_critic``.
        procedure: :class:`GAN` alternates, the discriminator first; ``SimultaneousGAN`` does not.
        step_size: ``h`` of both players.
        optimizer: of both players; called with their parameters and ``lr``.
        start: ``(theta, psi)``; the paper's ``(1, 1)`` is ``(1, -1)`` here, where logits are high for real.
    """
    descent = partial(optimizer, lr=step_size)
    return procedure(
        generator=dirac.Generator(start[0]),
        discriminator=dirac.Discriminator(start[1]),
        loss=loss,
        latent=Normal(1),
        terms=terms,
        constraint=constraint,
        n_critic=n_critic,
        optimizers=descent,
        log_every=1_000_000,
    ).double()


def play(game: GAN, cycles: int) -> Tensor:
    """Return ``(theta, psi)`` at the start and after each of ``cycles`` rounds, float64 ``(cycles + 1, 2)``.

    A round is as many batches (of the single point 0) as the generator waits for: one step of it.
    """
    loop = ManualLoop(game)
    batch = Batch(torch.zeros(1, 1, dtype=torch.float64))
    weights = [*game.generator.parameters(), *game.discriminator.parameters()]
    places = [torch.stack([weight.detach().clone() for weight in weights])]
    for _ in range(cycles):
        for _ in range(game.n_critic):
            loop.step(batch)
        places.append(torch.stack([weight.detach().clone() for weight in weights]))
    return torch.stack(places)

"""Consensus optimization against derivatives written out on two small linear players."""

import copy

import pytest
import torch
from hydra.utils import instantiate

from ganforge.core.config import compose
from ganforge.core.errors import GanforgeError
from ganforge.data.columns import Batch
from ganforge.latents import Normal
from ganforge.losses.adversarial import NonSaturating, RelativisticPaired
from ganforge.losses.consensus import Consensus
from ganforge.losses.energy import BoundaryEquilibrium
from ganforge.models.gan import GAN
from ganforge.models.manual_loop import ManualLoop
from ganforge.models.preflight import preflight
from ganforge.models.simultaneous import SimultaneousGAN
from ganforge.networks import mlp

H, GAMMA = 0.05, 0.4


@pytest.fixture
def double():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def points(kind, loss):
    torch.manual_seed(0)
    players = "discriminator", "generator"
    return kind(
        generator=mlp.PointGenerator(latent_dim=2, width=5, depth=1),
        discriminator=mlp.PointDiscriminator(width=4, depth=1),
        loss=loss,
        latent=Normal(2),
        terms={player: Consensus(weight=GAMMA, loss=loss, player=player) for player in players},
        optimizers={player: lambda parameters: torch.optim.SGD(parameters, lr=H) for player in players},
        total_kimg=1e9,
    )


def field(game, real, latent, loss):
    """Return each player's gradient of its own loss and of L, from scratch."""
    theta, psi = list(game.generator.parameters()), list(game.discriminator.parameters())
    fake, real = game.discriminator(game.generator(latent)).logits, game.discriminator(real).logits
    own = torch.autograd.grad(loss.generator(fake, real), theta, create_graph=True, materialize_grads=True)
    other = torch.autograd.grad(loss.discriminator(real, fake), psi, create_graph=True, materialize_grads=True)
    length = sum(gradient.square().sum() for gradient in (*own, *other)) / 2
    steps = torch.autograd.grad(length, [*theta, *psi], materialize_grads=True)
    return [gradient + GAMMA * step for gradient, step in zip((*own, *other), steps, strict=True)]


@pytest.mark.parametrize("loss", [NonSaturating(), RelativisticPaired()], ids=lambda loss: type(loss).__name__)
@pytest.mark.usefixtures("double")
def test_a_simultaneous_step_follows_the_regularised_field(loss, monkeypatch):
    game, real = points(SimultaneousGAN, loss), torch.randn(6, 2)
    latent = torch.randn(6, 2)
    monkeypatch.setattr(Normal, "__call__", lambda self, n, *, generator, device: latent)
    weights = [*game.generator.parameters(), *game.discriminator.parameters()]
    expected = [w.detach() - H * g for w, g in zip(weights, field(game, real, latent, loss), strict=True)]
    ManualLoop(game).step(Batch(real))
    torch.testing.assert_close([w.detach() for w in weights], expected)


@pytest.mark.parametrize("player", ["discriminator", "generator"])
def test_it_leaves_no_gradient_on_the_opponent_and_no_trace_in_buffers(player):
    config = compose(["model=sngan", "data=mnist5k", "network.width=4", "term=[consensus]"])
    module, batch = instantiate(config.model), instantiate(config.data).example()
    preflight(module, batch)
    step = module.play(player, batch)
    before = copy.deepcopy(module.state_dict())
    module.terms[f"consensus_{player}"](step).backward()
    other = {"discriminator": module.generator, "generator": module.discriminator}[player]
    own = {"discriminator": module.discriminator, "generator": module.generator}[player]
    assert all(parameter.grad is None for parameter in other.parameters())
    assert any(parameter.grad is not None and parameter.grad.any() for parameter in own.parameters())
    torch.testing.assert_close(module.state_dict(), before, rtol=0, atol=0)


@pytest.mark.usefixtures("double")
def test_alternating_players_answer_the_present_opponent():
    """The generator's step after the discriminator's differs from the simultaneous one, with the same latents."""
    torch.manual_seed(1)
    real, ends = torch.randn(6, 2), []
    for kind in (GAN, SimultaneousGAN):
        game = points(kind, NonSaturating())
        torch.manual_seed(2)
        ManualLoop(game).step(Batch(real))
        ends.append([parameter.detach() for parameter in game.generator.parameters()])
    assert not torch.allclose(ends[0][0], ends[1][0], rtol=1e-6)


def test_a_loss_that_adapts_is_refused():
    with pytest.raises(GanforgeError, match=r"BoundaryEquilibrium adapts while training: choose another loss"):
        Consensus(weight=1, loss=BoundaryEquilibrium())

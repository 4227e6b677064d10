"""Unrolled GAN: its closed form on the Dirac-GAN, and its steps against torch's own optimizers."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import pytest
import torch

from ganforge.core.errors import GanforgeError
from ganforge.data.columns import Batch
from ganforge.latents import Normal
from ganforge.losses.adversarial import (
    AdversarialLoss,
    Minimax,
    NonSaturating,
    RelativisticPaired,
    Wasserstein,
)
from ganforge.models.dirac import dirac_game, play
from ganforge.models.gan import GAN
from ganforge.models.manual_loop import ManualLoop
from ganforge.models.phase import Phase
from ganforge.models.simultaneous import SimultaneousGAN
from ganforge.models.unrolled import UnrolledGAN
from ganforge.networks import dcgan, mlp

H = 0.1


@pytest.fixture(autouse=True)
def _double() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def unrolled_dirac(loss: AdversarialLoss, unroll_steps: int) -> GAN:
    return dirac_game(loss, procedure=partial(UnrolledGAN, unroll_steps=unroll_steps), step_size=H)


def points_game(kind: type[GAN], optimizer: type[torch.optim.Optimizer], loss: AdversarialLoss, **extra: int) -> GAN:
    torch.manual_seed(0)
    return kind(
        generator=mlp.PointGenerator(width=5, depth=1),
        discriminator=mlp.PointDiscriminator(width=4, depth=2),
        loss=loss,
        latent=Normal(2),
        optimizers={
            "discriminator": partial(optimizer, lr=0.03),
            "generator": partial(torch.optim.SGD, lr=0.1),
        },
        total_kimg=1e9,
        **extra,
    )


@pytest.mark.parametrize("unroll_steps", [0, 1, 5])
def test_wasserstein_dirac_in_closed_form(unroll_steps: int) -> None:
    """D ahead is psi - K h theta, so G descends -psi theta + K h theta^2; both ways to theta count."""
    places = play(unrolled_dirac(Wasserstein(), unroll_steps), 30)
    theta, psi = 1.0, -1.0
    for place in places[1:]:
        psi -= H * theta
        theta -= H * (-psi + 2 * unroll_steps * H * theta)
        assert place.tolist() == pytest.approx([theta, psi], rel=1e-10)


def test_unrolling_makes_the_dirac_gan_converge() -> None:
    assert play(unrolled_dirac(Wasserstein(), 0), 300)[-1].norm() > 0.9
    assert play(unrolled_dirac(Wasserstein(), 5), 300)[-1].norm() < 1e-3


def test_minimax_dirac_follows_autograd_through_two_steps() -> None:
    psi = torch.tensor(-1.0)
    theta = torch.tensor(1.0, requires_grad=True)
    loss = Minimax()
    psi = psi - H * torch.sigmoid(psi * theta.detach()) * theta.detach()
    ahead = psi
    for _ in range(2):
        ahead = ahead - H * torch.sigmoid(ahead * theta) * theta
    loss.generator((ahead * theta)[None]).backward()
    place = play(unrolled_dirac(loss, 2), 1)[-1]
    assert place.tolist() == pytest.approx([(theta - H * theta.grad).item(), psi.item()], rel=1e-12)


@pytest.mark.parametrize("optimizer", [torch.optim.SGD, torch.optim.Adam])
def test_steps_ahead_are_those_of_the_optimizer(optimizer: type[torch.optim.Optimizer]) -> None:
    game = points_game(UnrolledGAN, optimizer, NonSaturating(), unroll_steps=3)
    loop = ManualLoop(game)
    for _ in range(4):  # Adam has moments by now
        loop.step(Batch(torch.randn(16, 2)))
    step = game.play("generator", Batch(torch.randn(16, 2)))
    ahead = game.surrogate(step)

    twin = copy.deepcopy(game.discriminator)
    real_optimizer = optimizer(twin.parameters(), lr=0.03)
    real_optimizer.load_state_dict(copy.deepcopy(loop.optimizers[0].state_dict()))
    for _ in range(3):
        real_optimizer.zero_grad()
        game.loss.discriminator(twin(step.real).logits, twin(step.fake.detach()).logits).backward()
        real_optimizer.step()
    for name, weight in twin.named_parameters():
        torch.testing.assert_close(ahead[name].detach(), weight.detach())


@pytest.mark.parametrize("optimizer", [torch.optim.SGD, torch.optim.Adam])
def test_gradient_flows_through_the_steps(optimizer: type[torch.optim.Optimizer]) -> None:
    """Against central differences of the loss that the generator sees, its steps ahead taken anew."""
    game = points_game(UnrolledGAN, optimizer, NonSaturating(), unroll_steps=2)
    loop = ManualLoop(game)
    for _ in range(3):
        loop.step(Batch(torch.randn(16, 2)))
    batch = Batch(torch.randn(16, 2))
    weight = game.generator.layers[-1].weight
    (phase,) = [phase for phase in game.phases() if phase.player == "generator"]

    def loss() -> torch.Tensor:
        torch.manual_seed(1)
        return phase.losses(batch).values["adversarial"]

    gradient = torch.autograd.grad(loss(), weight)[0][0, 0]
    values = []
    for shift in (1e-5, -1e-5):
        with torch.no_grad():
            weight[0, 0] += shift
        values.append(loss().item())
        with torch.no_grad():
            weight[0, 0] -= shift
    assert gradient.item() == pytest.approx((values[0] - values[1]) / 2e-5, rel=1e-5)
    detached = game.game.generator_losses(game.play("generator", batch)).values["adversarial"]
    assert torch.autograd.grad(detached, weight)[0][0, 0].item() != pytest.approx(gradient.item(), rel=1e-3)


@pytest.mark.parametrize("kind", [UnrolledGAN, SimultaneousGAN])
@pytest.mark.parametrize("loss", [NonSaturating(), RelativisticPaired()])
def test_generator_phase_leaves_the_discriminator_alone(kind: type[GAN], loss: AdversarialLoss) -> None:
    game = kind(
        generator=dcgan.Generator(16, 1, latent_dim=4, width=4),
        discriminator=dcgan.Discriminator(16, 1, width=4),
        loss=loss,
        latent=Normal(4),
        optimizers={name: partial(torch.optim.Adam, lr=1e-3) for name in ("discriminator", "generator")},
        total_kimg=1e9,
    )
    loop = ManualLoop(game)
    batch = Batch(torch.rand(8, 1, 16, 16) * 2 - 1)
    loop.step(batch)
    watched = []

    @contextmanager
    def watch(phase: Phase) -> Iterator[None]:
        if phase.player == "generator":
            before = copy.deepcopy(game.discriminator.state_dict())
            generator = copy.deepcopy(game.generator.state_dict())
            yield
            for name, value in game.discriminator.state_dict().items():
                assert torch.equal(value, before[name]), name
            assert any(not torch.equal(value, generator[name]) for name, value in game.generator.state_dict().items())
            watched.append(phase)
        else:
            yield

    game.phase_context = watch
    loop.step(batch)
    assert len(watched) == 1
    assert all(weight.requires_grad for weight in game.discriminator.parameters())


def test_no_steps_are_the_plain_gan() -> None:
    batches = [Batch(torch.randn(8, 2)) for _ in range(3)]
    weights = []
    for kind, extra in ((GAN, {}), (UnrolledGAN, {"unroll_steps": 0})):
        game = points_game(kind, torch.optim.Adam, NonSaturating(), **extra)
        loop = ManualLoop(game)
        torch.manual_seed(3)
        for batch in batches:
            loop.step(batch)
        weights.append(torch.cat([weight.detach().flatten() for weight in game.parameters()]))
    torch.testing.assert_close(*weights)


def test_dead_units_keep_adam_s_derivative_finite() -> None:
    game = points_game(UnrolledGAN, torch.optim.Adam, NonSaturating(), unroll_steps=2)
    with torch.no_grad():
        game.discriminator.head.weight.zero_()  # nothing below has a gradient
    loop = ManualLoop(game)
    step = game.play("generator", Batch(torch.randn(8, 2)))
    total = sum(weight.sum() for weight in game.surrogate(step).values())
    assert loop.module is game
    gradients = torch.autograd.grad(total, list(game.generator.parameters()))
    assert all(gradient.isfinite().all() for gradient in gradients)


@pytest.mark.parametrize(
    ("optimizer", "unroll_steps", "message"),
    [
        (partial(torch.optim.RMSprop, lr=1e-3), 5, "RMSprop"),
        (partial(torch.optim.AdamW, lr=1e-3), 5, "AdamW"),
        (partial(torch.optim.SGD, lr=1e-3, momentum=0.9), 5, "momentum=0.9"),
        (partial(torch.optim.Adam, lr=1e-3), -1, "unroll_steps"),
    ],
)
def test_refusals(optimizer: partial[torch.optim.Optimizer], unroll_steps: int, message: str) -> None:
    with pytest.raises(GanforgeError, match=message):
        UnrolledGAN(
            unroll_steps=unroll_steps,
            generator=mlp.PointGenerator(width=5, depth=1),
            discriminator=mlp.PointDiscriminator(width=4, depth=1),
            loss=NonSaturating(),
            latent=Normal(2),
            optimizers={"discriminator": optimizer, "generator": optimizer},
            total_kimg=1.0,
        )

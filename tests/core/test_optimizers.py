"""The optimizers made for games: their algorithms step by step, and the game for which they were made."""

import pytest
import torch
from hydra.utils import instantiate

from ganforge.core.config import compose
from ganforge.core.errors import GanforgeError
from ganforge.models.manual_loop import ManualLoop
from ganforge.optimizers import ExtraAdam, Extragradient, OptimisticAdam


def distance_after(steps, make):
    """Play min over x, max over y of x * y, both gradients taken before either steps; return the distance to (0, 0)."""
    x, y = (torch.tensor(1.0, dtype=torch.double, requires_grad=True) for _ in range(2))
    players = make([x]), make([y])
    for _ in range(steps):
        x.grad, y.grad = y.detach().clone(), -x.detach().clone()
        for player in players:
            player.step()
    return float(torch.hypot(x, y).detach())


def test_bilinear_game_converges_where_gradient_descent_and_adam_spiral_out():
    start, settings = 2**0.5, {"lr": 0.05, "betas": (0.0, 0.999)}
    assert distance_after(3000, lambda x: torch.optim.SGD(x, lr=0.05)) > 10 * start
    assert distance_after(3000, lambda x: torch.optim.Adam(x, **settings)) > start
    assert distance_after(3000, lambda x: OptimisticAdam(x, **settings)) < 1e-6
    assert distance_after(3000, lambda x: ExtraAdam(x, **settings)) < 1e-6


def test_a_pair_of_extragradient_calls_contracts_the_bilinear_game():
    """The eigenvalues of ``I + h J + h^2 J^2`` are ``1 - h^2 +- i h``; plain steps have ``1 +- i h``."""
    h = 0.1
    expected = 2**0.5 * abs(complex(1 - h**2, h)) ** 200
    assert distance_after(400, lambda x: Extragradient(x, lr=h)) == pytest.approx(expected, rel=1e-9)
    assert expected < 0.6
    assert distance_after(400, lambda x: torch.optim.SGD(x, lr=h)) > 10


def test_extra_adams_steps_are_those_of_the_algorithm():
    start, lr, (beta1, beta2), eps = torch.tensor([1.0, -2.0], dtype=torch.double), 0.1, (0.5, 0.9), 1e-8
    weight = start.clone().requires_grad_()
    optimizer = ExtraAdam([weight], lr=lr, betas=(beta1, beta2), eps=eps)
    place, m, v = start.clone(), 0.0, 0.0
    for t in range(1, 8):
        at = weight.detach().clone()
        gradient = torch.cos(t * at)
        weight.grad = gradient.clone()
        optimizer.step()
        m, v = beta1 * m + (1 - beta1) * gradient, beta2 * v + (1 - beta2) * gradient**2
        ahead = place - lr * m / (1 - beta1**t) / ((v / (1 - beta2**t)).sqrt() + eps)
        torch.testing.assert_close(weight.detach(), ahead)
        if t % 2 == 0:
            place = ahead


def test_a_weight_without_gradient_in_either_call_of_a_pair():
    never, late, early = (torch.ones(1, requires_grad=True) for _ in range(3))
    optimizer = Extragradient([never, late, early], lr=0.5)
    early.grad = torch.ones(1)
    optimizer.step()
    assert (never.item(), late.item(), early.item()) == (1, 1, 0.5)
    early.grad, late.grad = None, torch.ones(1)
    optimizer.step()
    assert (never.item(), late.item(), early.item()) == (1, 0.5, 1)


def test_steps_are_those_of_the_algorithm():
    start, lr, (beta1, beta2), eps = torch.tensor([1.0, -2.0], dtype=torch.double), 0.1, (0.5, 0.9), 1e-8
    weight = start.clone().requires_grad_()
    optimizer = OptimisticAdam([weight], lr=lr, betas=(beta1, beta2), eps=eps)
    place, m, v, last = start.clone(), 0.0, 0.0, 0.0
    for t in range(1, 6):
        gradient = torch.cos(t * place)
        weight.grad = torch.cos(t * weight.detach())
        optimizer.step()
        m, v = beta1 * m + (1 - beta1) * gradient, beta2 * v + (1 - beta2) * gradient**2
        direction = m / (1 - beta1**t) / ((v / (1 - beta2**t)).sqrt() + eps)
        place, last = place - 2 * lr * direction + lr * last, direction
        torch.testing.assert_close(weight.detach(), place)


def test_direction_is_adams():
    """Where the gradient stays the same, so does the direction: from the second step on, steps are Adam's."""
    weights = [torch.zeros(3, requires_grad=True) for _ in range(2)]
    adam = torch.optim.Adam([weights[0]], lr=0.01, betas=(0.5, 0.9))
    optimistic = OptimisticAdam([weights[1]], lr=0.01, betas=(0.5, 0.9))
    for _ in range(4):
        for weight, optimizer in zip(weights, (adam, optimistic), strict=True):
            weight.grad = torch.tensor([1.0, -3.0, 0.2])
            optimizer.step()
    torch.testing.assert_close(weights[1], weights[0] - 0.01 * torch.tensor([1.0, -1.0, 1.0]))


@pytest.mark.parametrize("at", [2, 3])
@pytest.mark.parametrize("kind", [OptimisticAdam, ExtraAdam, Extragradient])
def test_it_goes_on_from_a_saved_state(kind, at, tmp_path):
    torch.manual_seed(0)
    gradients = torch.randn(6, 4)
    weight = torch.zeros(4, requires_grad=True)
    optimizer = kind([weight], lr=0.1)
    for step, gradient in enumerate(gradients):
        if step == at:
            torch.save((weight.detach(), optimizer.state_dict()), tmp_path / "saved.pt")
        weight.grad = gradient.clone()
        optimizer.step()
    saved, state = torch.load(tmp_path / "saved.pt", weights_only=True)
    again = saved.requires_grad_()
    optimizer = kind([again], lr=0.5)
    optimizer.load_state_dict(state)
    for gradient in gradients[at:]:
        again.grad = gradient.clone()
        optimizer.step()
    assert torch.equal(again, weight)


@pytest.mark.parametrize("kind", [OptimisticAdam, ExtraAdam])
@pytest.mark.parametrize("wrong", [{"lr": -1}, {"eps": -1e-8}, {"betas": (0.5, 1.0)}])
def test_impossible_values_are_refused(kind, wrong):
    with pytest.raises(GanforgeError, match=f"{kind.__name__}: {next(iter(wrong))} must"):
        kind([torch.zeros(1, requires_grad=True)], **wrong)


@pytest.mark.parametrize("breaking", [["model.n_critic=2"], ["term=[r1]", "term.r1.every=4"]])
@pytest.mark.parametrize("name", ["extra_adam", "extragradient"])
def test_phases_that_would_break_pairs_are_refused(name, breaking):
    module = instantiate(compose(["model=simultaneous", "network.width=4", f"optimizer={name}", *breaking]).model)
    with pytest.raises(GanforgeError, match=r"pairs of batches.* every=1 .* model.n_critic=1"):
        module.configure_optimizers()


def test_extra_adam_trains_by_configuration():
    """Every other batch takes both players back to where the last pair ended, and on."""
    config = compose(["model=simultaneous", "network.width=4", "data.image_size=8", "optimizer=extra_adam"])
    module, batch = instantiate(config.model), instantiate(config.data).example()
    hand = ManualLoop(module)
    for batches in range(1, 5):
        hand.step(batch)
        kept = {"kept" in state for optimizer in hand.optimizers for state in optimizer.state.values()}
        assert kept == {batches % 2 == 1}


def test_it_trains_by_configuration_and_schedules_find_it():
    schedule = "+schedules.optimizer.generator.lr={_target_:ganforge.schedules.Linear,start:0.1,end:0,end_kimg:1}"
    config = compose(["model=dcgan", "network.width=8", "optimizer=optimistic_adam", schedule])
    module, batch = instantiate(config.model), instantiate(config.data).example()
    hand = ManualLoop(module)
    hand.step(batch)
    optimizers = dict(zip(module.players(), hand.optimizers, strict=True))
    assert optimizers["generator"].param_groups[0]["lr"] == 0.1
    assert optimizers["discriminator"].param_groups[0]["lr"] == 1e-4

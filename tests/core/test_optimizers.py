"""Optimistic Adam: its algorithm step by step, and the game for which it was made."""

import copy

import pytest
import torch
from hydra.utils import instantiate

from ganforge.config import compose
from ganforge.errors import GanforgeError
from ganforge.models.by_hand import ByHand
from ganforge.optimizers import OptimisticAdam


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


def test_it_goes_on_from_a_saved_state():
    torch.manual_seed(0)
    gradients = torch.randn(6, 4)
    weight = torch.zeros(4, requires_grad=True)
    optimizer = OptimisticAdam([weight], lr=0.1)
    for step, gradient in enumerate(gradients):
        if step == 3:
            saved, state = weight.detach().clone(), copy.deepcopy(optimizer.state_dict())
        weight.grad = gradient.clone()
        optimizer.step()
    again = saved.requires_grad_()
    optimizer = OptimisticAdam([again], lr=0.5)
    optimizer.load_state_dict(state)
    for gradient in gradients[3:]:
        again.grad = gradient.clone()
        optimizer.step()
    assert torch.equal(again, weight)


@pytest.mark.parametrize("wrong", [{"lr": -1}, {"eps": -1e-8}, {"betas": (0.5, 1.0)}])
def test_impossible_values_are_refused(wrong):
    with pytest.raises(GanforgeError, match=f"OptimisticAdam: {next(iter(wrong))} must"):
        OptimisticAdam([torch.zeros(1, requires_grad=True)], **wrong)


def test_it_trains_by_configuration_and_schedules_find_it():
    schedule = "+schedules.optimizer.generator.lr={_target_:ganforge.schedules.Linear,start:0.1,end:0,end_kimg:1}"
    config = compose(["model=dcgan", "network.width=8", "optimizer=optimistic_adam", schedule])
    module, batch = instantiate(config.model), instantiate(config.data).example()
    hand = ByHand(module)
    hand.step(batch)
    optimizers = dict(zip(module.players(), hand.optimizers, strict=True))
    assert optimizers["generator"].param_groups[0]["lr"] == 0.1
    assert optimizers["discriminator"].param_groups[0]["lr"] == 1e-4

"""BEGAN's loss: its values, its control and its state in checkpoints."""

import pytest
import torch
from hydra.utils import instantiate

from ganforge.core.config import compose
from ganforge.core.errors import GanforgeError
from ganforge.losses.energy import BoundaryEquilibrium
from ganforge.models.manual_loop import ManualLoop

REAL, FAKE = torch.tensor([-0.1, -0.3]), torch.tensor([-0.5, -0.9])  # energies of mean 0.2 and 0.7


def test_values_are_the_papers():
    loss = BoundaryEquilibrium(start=0.25)
    assert loss.discriminator(REAL, FAKE).item() == pytest.approx(0.2 - 0.25 * 0.7)
    assert loss.generator(FAKE).item() == pytest.approx(0.7)


def test_the_balance_follows_its_control():
    loss = BoundaryEquilibrium(diversity=0.5, rate=0.1, start=0.25)
    loss.observe(REAL, FAKE)
    assert loss.k.item() == pytest.approx(0.25 + 0.1 * (0.5 * 0.2 - 0.7))
    assert loss.scalars()["convergence"].item() == pytest.approx(0.2 + 0.6)
    for _ in range(10):
        loss.observe(REAL, FAKE)
    assert loss.k.item() == 0
    loss.rate = 5.0
    loss.observe(FAKE * 10, REAL)
    assert loss.k.item() == 1


def test_the_balance_settles_where_energies_are_in_proportion():
    """Against a discriminator whose energies answer k linearly, the control is a contraction to its fixed point."""
    loss = BoundaryEquilibrium(diversity=0.5, rate=0.05)
    for _ in range(500):
        k = loss.k.item()
        loss.observe(-torch.full((2,), 0.4 + 0.1 * k), -torch.full((2,), 0.1 + 0.5 * k))
    assert (0.1 + 0.5 * loss.k.item()) / (0.4 + 0.1 * loss.k.item()) == pytest.approx(0.5, abs=1e-4)


def test_the_balance_is_in_checkpoints_and_keeps_its_digits():
    loss = BoundaryEquilibrium(rate=1e-3, start=0.5).to(torch.bfloat16)
    loss.observe(REAL, REAL / 2 - 1e-3)
    assert loss.k.dtype == torch.float32
    assert loss.k.item() == pytest.approx(0.5 - 1e-6, abs=5e-8)
    again = BoundaryEquilibrium()
    again.load_state_dict(loss.state_dict())
    assert torch.equal(again.k, loss.k)


def test_training_moves_the_balance_and_logs_the_measure():
    config = compose(["model=began", "network.width=4", "data.image_size=16", "loss.rate=0.1", "model.log_every=3"])
    module, batch = instantiate(config.model), instantiate(config.data).example()
    hand = ManualLoop(module)
    for _ in range(3):
        hand.step(batch)
    assert module.state_dict()["loss.k"] > 0
    latest = module.ledger.latest
    assert latest["loss/k"] == pytest.approx(module.loss.k.item())
    excess = 0.5 * -latest["discriminator/real_logits"] + latest["discriminator/fake_logits"]
    assert latest["loss/convergence"] == pytest.approx(-latest["discriminator/real_logits"] + abs(excess), rel=1e-5)


@pytest.mark.parametrize("wrong", [{"diversity": 0}, {"diversity": 1.5}, {"rate": -1}, {"start": 2}])
def test_impossible_values_are_refused(wrong):
    with pytest.raises(GanforgeError, match=f"loss.{next(iter(wrong))} must"):
        BoundaryEquilibrium(**wrong)

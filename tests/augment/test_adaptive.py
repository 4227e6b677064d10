"""The controller of ADA and APA, and APA's replacement of real images."""

import pytest
import torch

from ganforge.augment.ada import Ada
from ganforge.augment.adaptive import Adaptive
from ganforge.augment.apa import Apa
from ganforge.core.errors import GanforgeError

POSITIVE, NEGATIVE = torch.full((16,), 2.0), torch.full((16,), -2.0)


@pytest.mark.parametrize("kind", [Ada, Apa])
def test_p_moves_by_images_over_speed(kind):
    augment = kind(p=0.5, speed_kimg=500, interval=4)
    for step in range(1, 9):
        augment.observe(POSITIVE, 64)
        assert augment.p.item() == pytest.approx(0.5 + step // 4 * 4 * 64 / 500_000, abs=1e-7)
    for _ in range(12):
        augment.observe(NEGATIVE, 64)
    assert augment.p.item() == pytest.approx(0.5 - 256 / 500_000, abs=1e-6)


def test_the_whole_range_takes_speed_kimg_and_ends_at_the_bounds():
    augment = Adaptive(speed_kimg=10)
    for images in range(100, 10_001, 100):
        augment.observe(POSITIVE, 100)
        assert augment.p.item() == pytest.approx(images // 400 * 400 / 10_000, abs=1e-5)
    for _ in range(8):
        augment.observe(POSITIVE, 100)
    assert augment.p == 1
    for _ in range(120):
        augment.observe(NEGATIVE, 100)
    assert augment.p == 0


def test_the_heuristic_is_the_mean_sign_over_the_interval():
    augment = Adaptive(target=0.6, interval=2, p=0.5)
    augment.observe(torch.tensor([5.0, 0.1, 3.0, -0.01]), 4)
    augment.observe(torch.ones(4), 4)
    assert augment.heuristic == 0.75  # 7 of 8 are positive
    assert augment.p > 0.5
    augment.observe(torch.tensor([1.0, 1.0, 1.0, -1.0]), 4)
    augment.observe(torch.tensor([1.0, 1.0, 1.0, -1.0]), 4)
    assert augment.heuristic == 0.5
    assert augment.p.item() == pytest.approx(0.5, abs=1e-6)


def test_p_is_fixed_without_a_target():
    augment = Ada(p=0.3, target=None)
    for _ in range(8):
        augment.observe(POSITIVE, 10_000)
    assert augment.p.item() == pytest.approx(0.3)
    assert set(augment.scalars()) == {"ada_p"}


def test_a_resumed_controller_goes_on_within_its_interval():
    whole, first, second = (Adaptive(speed_kimg=1) for _ in range(3))
    for step in range(7):
        logits = POSITIVE if step % 3 else NEGATIVE
        whole.observe(logits, 32)
        (first if step < 3 else second).observe(logits, 32)
        if step == 2:
            second.load_state_dict(first.state_dict())
    for name, value in whole.state_dict().items():
        assert second.state_dict()[name].tolist() == value.tolist()


def test_ranks_share_the_heuristic(monkeypatch):
    """With a second rank of all negative logits beside a positive one, r_t is 0."""
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "all_reduce", lambda signs: signs.add_(torch.tensor([-16.0, 16.0])))
    augment = Adaptive(p=0.5, interval=1)
    augment.observe(POSITIVE, 32)
    assert augment.heuristic == 0
    assert augment.p < 0.5


def test_apa_replaces_a_share_p_of_real_images_and_leaves_forward_alone():
    torch.manual_seed(0)
    real, fake = torch.zeros(4000, 1, 2, 2), torch.ones(4000, 1, 2, 2, requires_grad=True)
    mixed = Apa(p=0.3).pseudo(real, lambda: fake)
    assert not mixed.requires_grad
    assert (mixed.flatten(1).std(dim=1) == 0).all()  # whole images
    assert mixed.mean().item() == pytest.approx(0.3, abs=4 * (0.3 * 0.7 / 4000) ** 0.5)
    assert (Apa(p=0.0).pseudo(real, lambda: fake) == real).all()
    assert (Apa(p=1.0).pseudo(real, lambda: fake) == fake).all()
    assert Apa(p=1.0)(real) is real


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"p": 1.5}, "p is"),
        ({"target": 1.0}, "target"),
        ({"speed_kimg": 0}, "speed_kimg"),
        ({"interval": 0}, "interval"),
    ],
)
def test_impossible_arguments_are_refused(arguments, named):
    with pytest.raises(GanforgeError, match=named):
        Apa(**arguments)

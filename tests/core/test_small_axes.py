"""Averages, schedules and priors as recipes use them."""

import pytest
import torch
from torch import nn

from ganforge.core.errors import GanforgeError
from ganforge.ema import EMA
from ganforge.latents import Uniform
from ganforge.schedules import Cosine, Exponential, Growth, Inverse


def moved(ema, images_seen):
    """Return what becomes of an average of 0 beside weights of 1 after a step of 100 images."""
    average, current = nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False)
    nn.init.zeros_(average.weight)
    nn.init.ones_(current.weight)
    ema.update(average, current, 100, images_seen)
    return average.weight.item()


def test_an_average_begins_as_a_copy():
    ema = EMA(halflife_kimg=0.1, rampup=None, begin_kimg=1)
    assert moved(ema, 999) == 1
    assert moved(ema, 1000) == pytest.approx(0.5)
    assert moved(EMA(halflife_kimg=None), 10**6) == 1
    with pytest.raises(GanforgeError, match=r"ema\.begin_kimg must be >= 0"):
        EMA(1, begin_kimg=-1)


def test_an_exponential_schedule_is_a_factor_a_batch():
    schedule = Exponential(start=0.1, factor=1 / 1.000004, every_kimg=0.1, least=1e-6)
    value = 0.1
    for step in range(1000):
        assert schedule(100 * step) == pytest.approx(value, rel=1e-9)
        value /= 1.000004
    assert schedule(10**10) == 1e-6
    with pytest.raises(GanforgeError, match="factor > 0"):
        Exponential(1, 0, 1)


def test_growth_by_phases_of_the_papers_length():
    """At 32 pixels: 800 kimg at 4 pixels, 800 of fading to 8, and so on; whole from 4,800 on."""
    growth = Growth(32, total_kimg=19_000, phase_kimg=800)
    assert [growth(kimg * 1000) for kimg in (0, 799, 1200, 1600, 2400, 4800, 19_000)] == [3, 3, 2.5, 2, 2, 0, 0]
    assert [growth(kimg * 1000) for kimg in (0, 1200)] == [Growth(32, 9600)(kimg * 1000) for kimg in (0, 1200)]
    with pytest.raises(GanforgeError, match="phase_kimg must be > 0"):
        Growth(32, 10, phase_kimg=0)


def test_a_uniform_prior_of_unit_variance():
    prior = Uniform(50, bound=3**0.5)
    drawn = prior(2000, generator=torch.Generator().manual_seed(0), device=torch.device("cpu"))
    assert drawn.abs().max() <= 3**0.5
    assert drawn.std().item() == pytest.approx(1, abs=0.01)
    assert prior.truncate(drawn, 0.5).abs().max() <= 0.5
    assert torch.equal(prior.truncate(drawn, 9), drawn)
    with pytest.raises(GanforgeError, match=r"latent\.bound must be > 0"):
        Uniform(2, bound=0)


def test_a_cosine_begins_anew_in_equal_parts():
    """BasicSR's four restarts: each part is the half of a cosine that one alone would be."""
    whole, parts = Cosine(2e-4, 1e-7, end_kimg=4), Cosine(2e-4, 1e-7, end_kimg=16, cycles=4)
    assert [parts(k) for k in (0, 4000, 8000, 12_000)] == [2e-4] * 4
    assert [parts(k) for k in (1000, 5000, 14_999)] == pytest.approx([whole(k) for k in (1000, 1000, 2999)])
    assert parts(16_000) == parts(20_000) == pytest.approx(1e-7)
    with pytest.raises(GanforgeError, match="cycles"):
        Cosine(1.0, 0.0, end_kimg=1, cycles=0)


def test_an_inverse_schedule_halves_at_its_time():
    """AdaIN's code: lr / (1 + 5e-5 i) at step i, of 8 pictures each."""
    schedule = Inverse(1e-4, half_kimg=160)
    assert [schedule(8 * step) for step in (0, 20_000, 160_000)] == pytest.approx([1e-4, 5e-5, 1e-4 / 9])
    with pytest.raises(GanforgeError, match="half_kimg"):
        Inverse(1.0, 0.0)

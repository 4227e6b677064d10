"""Intervals cover, are reproducible, and shrink with the number of samples."""

import pytest
import torch
from comparisons import compare, normal

from ganforge.core.errors import GanforgeError
from ganforge.core.rng import sub_seed
from ganforge.metrics.extractors import DigitClassifier
from ganforge.metrics.frechet import FrechetDistance, Reference
from ganforge.metrics.intervals import (
    FrechetInterval,
    KernelInterval,
    bootstrap,
    frechet_interval,
    kernel_interval,
    repeats_interval,
)
from ganforge.metrics.kernel import FullKernelDistance, KernelDistance, mmd
from ganforge.metrics.protocol import Protocol

REAL = normal(3000, 3)


def test_interval_holds_its_value_and_is_reproducible():
    comparison = compare(normal(200, 3, seed=1, shift=0.5), REAL)
    found = FrechetInterval()(comparison)
    assert found["fid_low"] < FrechetDistance()(comparison)["fid"] < found["fid_high"]
    assert FrechetInterval()(comparison) == found
    kernel = KernelInterval(50)(comparison)
    assert kernel["kid_full_low"] < FullKernelDistance()(comparison)["kid_full"] < kernel["kid_full_high"]
    assert KernelInterval(50)(comparison) == kernel


def test_errors_are_those_of_repeated_draws():
    reference = Reference(REAL)
    sets = [normal(300, 3, seed=seed, shift=0.5) for seed in range(60)]
    spread = torch.tensor([reference.distance(rows) for rows in sets]).std().item()
    errors = [frechet_interval(reference, rows, 40, 0.95, seed=0).error for rows in sets[:10]]
    assert sum(errors) / 10 == pytest.approx(spread, rel=0.25)


def test_kernel_errors_are_those_of_repeated_draws():
    pairs = [(normal(150, 3, seed=seed), normal(150, 3, seed=seed + 500, shift=0.5)) for seed in range(80)]
    spread = torch.tensor([mmd(real, fake).item() for real, fake in pairs]).std().item()
    errors = [kernel_interval(real, fake, 100, 0.95, seed=0).error for real, fake in pairs[:10]]
    assert sum(errors) / 10 == pytest.approx(spread, rel=0.3)


def test_kernel_resamples_pair_no_sample_with_its_own_copies():
    """Against sums written out over the repeated rows."""
    real, fake = normal(7, 3).double(), normal(9, 3, seed=1).double()
    counts = [torch.tensor([2.0, 0, 1, 1, 0, 3, 0]).double(), torch.tensor([1.0, 1, 0, 2, 2, 0, 0, 3, 0]).double()]

    def within(rows, count):
        kernel = (rows @ rows.T / 3 + 1) ** 3 * count.outer(count)
        pairs = count.outer(count)
        return (kernel.sum() - kernel.trace()) / (pairs.sum() - pairs.trace())

    cross = (((real @ fake.T / 3 + 1) ** 3) * counts[0].outer(counts[1])).sum() / counts[0].sum() / counts[1].sum()
    expected = within(real, counts[0]) + within(fake, counts[1]) - 2 * cross
    found = mmd(real, fake, weights=(counts[0][None], counts[1][None]))
    assert found.item() == pytest.approx(expected.item(), rel=1e-9)


def test_more_samples_give_a_narrower_interval():
    reference = Reference(REAL)
    widths = []
    for count in (100, 1600):
        found = frechet_interval(reference, normal(count, 3, seed=1, shift=0.5), 60, 0.9, seed=3)
        widths.append(found.high - found.low)
        assert found.seed == sub_seed(3, "fid-bootstrap", 0)
    assert widths[0] / widths[1] == pytest.approx(4, rel=0.4)


def test_repeats_have_student_s_interval():
    found = repeats_interval([1.0, 2.0, 3.0])
    assert found.value == 2
    assert found.error == pytest.approx(1 / 3**0.5)
    assert found.high - 2 == pytest.approx(4.302653 / 3**0.5, rel=1e-6) == 2 - found.low  # t at 0.975, 2 degrees
    with pytest.raises(GanforgeError, match="at least 2 values"):
        repeats_interval([1.0])
    with pytest.raises(GanforgeError, match="resamples"):
        FrechetInterval(resamples=1)


def test_kid_s_interval_is_of_kid():
    """Two subsets of few samples: KID lies far from the MMD of all samples, and its interval about KID."""
    metric = KernelDistance(subsets=2, subset_size=10)
    protocol = Protocol("test", DigitClassifier(), {"kid": metric}, 150)
    for seed in range(5):
        comparison = compare(normal(150, 3, seed=seed), normal(150, 3, seed=seed + 500, shift=0.5))
        low, high = bootstrap(protocol, comparison, 40)["kid"]
        value = metric(comparison)
        full = KernelInterval(40)(comparison)
        assert low < value["kid"] < high
        assert high - low > max(2 * 1.96 * value["kid_error"], full["kid_full_high"] - full["kid_full_low"])

"""Fréchet distances against closed forms, torch-fidelity and torchmetrics."""

import pytest
import torch
from comparisons import compare, normal
from torch import nn
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
from torchmetrics.image.fid import FrechetInceptionDistance

from ganforge.core.errors import GanforgeError
from ganforge.metrics.frechet import FrechetDistance, FrechetInfinity, Reference
from ganforge.metrics.inputs import FewSamplesWarning
from ganforge.metrics.moments import Moments


def fidelity(real, fake):
    statistics = [fid_features_to_statistics(rows.double()) for rows in (real, fake)]
    return fid_statistics_to_metric(*statistics, verbose=False)["frechet_inception_distance"]


def torchmetrics(real, fake):
    given = nn.Identity()
    given.num_features = real.shape[1]
    metric = FrechetInceptionDistance(feature=given).set_dtype(torch.float64)
    metric.update(real.double(), real=True)
    metric.update(fake.double(), real=False)
    return metric.compute().item()


@pytest.mark.parametrize(("real_count", "fake_count"), [(300, 200), (300, 20), (20, 300), (20, 15), (15, 20)])
def test_equal_to_both_libraries_with_many_and_few_samples(real_count, fake_count):
    mix = normal(40, 40, seed=2)
    real, fake = normal(real_count, 40) @ mix, normal(fake_count, 40, seed=1, shift=0.3) @ mix
    expected = fidelity(real, fake)
    for reference in (Reference(real), Reference(Moments.of(iter(real.split(7))))):
        assert reference.distance(fake) == pytest.approx(expected, rel=1e-6)
    assert torchmetrics(real, fake) == pytest.approx(expected, rel=1e-6)


def test_gaussians_have_a_closed_form():
    base = normal(4000, 3).double()
    base = (base - base.mean(0)) @ torch.linalg.inv(torch.linalg.cholesky(torch.cov(base.T))).T
    scale, shift = torch.tensor([1.0, 2.0, 0.5]), torch.tensor([1.0, 0.0, -2.0])
    expected = (shift.square().sum() + (1 - scale).square().sum()).item()
    assert Reference(base).distance(base * scale + shift) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(("count", "dead"), [(200, 0), (200, 9), (20, 0)])
def test_a_set_is_at_no_distance_from_itself(count, dead):
    rows = normal(count, 50) * torch.logspace(0, -4, 50)
    rows[:, :dead] = 3.0  # features that never vary, as dead units of a ReLU network
    for reference in (Reference(rows), Reference(Moments.of(iter([rows])))):
        assert abs(reference.distance(rows)) < 1e-6 * reference.trace
        assert reference.distance(rows.flip(0)) == pytest.approx(reference.distance(rows), abs=1e-9)


def test_few_samples_solve_no_large_eigenvalue_problem(monkeypatch):
    sizes = []
    eigvalsh = torch.linalg.eigvalsh
    monkeypatch.setattr(torch.linalg, "eigvalsh", lambda matrix: sizes.append(len(matrix)) or eigvalsh(matrix))
    for name in ("eigh", "cholesky_ex"):
        monkeypatch.setattr(torch.linalg, name, None)
    real, few = normal(300, 100), normal(12, 100, seed=1)
    Reference(Moments.of(iter([real]))).distance(few)
    Reference(few).distance(real)
    Reference(few).distance(few[:9])
    assert sizes == [12, 12, 9]


def test_weights_are_repetitions():
    real, fake = normal(100), normal(50, seed=1)
    counts = torch.randint(0, 4, (50,), generator=torch.Generator().manual_seed(0))
    repeated = fake.repeat_interleave(counts, 0)
    reference = Reference(real)
    assert reference.distance(fake, counts) == pytest.approx(reference.distance(repeated), rel=1e-12)


def test_metric_warns_of_few_samples_in_one_sentence():
    few = compare(normal(8, 8), normal(100, 8))
    with pytest.warns(FewSamplesWarning, match=r"^FID of 8 generated samples with 8 features .*\.$"):
        value = FrechetDistance()(few)["fid"]
    assert value > 0
    assert FrechetDistance()(compare(normal(100, 8, seed=1), normal(100, 8)))["fid"] < 2  # and here it is silent


def test_metric_refuses_missing_moments_and_diverged_features():
    with pytest.raises(GanforgeError, match="moments"):
        FrechetDistance()(compare())
    broken = normal(60)
    broken[3, 2] = float("nan")
    with pytest.raises(GanforgeError, match=r"fake_features .* the generator has diverged"):
        FrechetDistance()(compare(broken, normal(60)))
    with pytest.raises(GanforgeError, match="at least 2 rows of fake_features but there are 1"):
        FrechetDistance()(compare(normal(1), normal(60)))


def test_infinity_takes_the_bias_away():
    population = normal(20_000, 30)
    fake = normal(1000, 30, seed=1)
    found = FrechetInfinity()(compare(fake, population))
    biased = FrechetDistance()(compare(fake, population))["fid"]
    assert biased > 0.2  # the true distance is 0
    assert abs(found["fid_infinity"]) < biased / 8
    assert found["fid_infinity_fit"] > 0.99


@pytest.mark.parametrize("options", [{"sizes": 2}, {"smallest": 0}, {"smallest": 1}])
def test_impossible_extrapolations(options):
    with pytest.raises(GanforgeError, match="sizes must be"):
        FrechetInfinity(**options)

"""Kernel distances and the Inception Score against torch-fidelity and torchmetrics."""

import math

import pytest
import torch
from comparisons import compare, normal
from torch_fidelity.metric_isc import isc_features_to_metric
from torch_fidelity.metric_kid import kid_features_to_metric
from torchmetrics.image.kid import poly_mmd

from ganforge.core.errors import GanforgeError
from ganforge.metrics import kernel
from ganforge.metrics.classes import ClassBalance
from ganforge.metrics.inception_score import InceptionScore
from ganforge.metrics.kernel import FullKernelDistance, KernelDistance, mmd

SHIFTED = normal(150, seed=1, shift=0.5), normal(120)


@pytest.mark.parametrize(("seed", "degree"), [(2020, 3), (7, 2)])
def test_subsets_and_values_are_torch_fidelity_s(seed, degree):
    expected = kid_features_to_metric(
        *(rows.double() for rows in SHIFTED),
        kid_subsets=10,
        kid_subset_size=50,
        kid_kernel_poly_degree=degree,
        rng_seed=seed,
        verbose=False,
    )
    found = KernelDistance(10, 50, degree, seed)(compare(*SHIFTED))
    assert found["kid"] == pytest.approx(expected["kernel_inception_distance_mean"], rel=1e-9)
    assert found["kid_std"] == pytest.approx(expected["kernel_inception_distance_std"], rel=1e-9)
    assert found["kid_error"] == pytest.approx(found["kid_std"] / math.sqrt(10))


def test_the_estimate_of_all_samples_does_not_depend_on_blocks_or_order(monkeypatch):
    fake, real = SHIFTED[0][:100].double(), SHIFTED[1][:100].double()
    expected = poly_mmd(real, fake).item()
    assert mmd(fake, real).item() == pytest.approx(expected, rel=1e-9)
    monkeypatch.setattr(kernel, "BLOCK", 700)
    found = FullKernelDistance()(compare(fake.flip(0), real))["kid_full"]
    assert found == pytest.approx(expected, rel=1e-9)


def test_the_estimate_is_unbiased():
    values = [mmd(normal(30, seed=2 * seed), normal(20, seed=2 * seed + 1)).item() for seed in range(300)]
    mean = torch.tensor(values).mean().item()
    error = torch.tensor(values).std().item() / math.sqrt(len(values))
    assert abs(mean) < 3 * error
    assert min(values) < 0 < max(values)


def test_subsets_larger_than_the_samples():
    with pytest.raises(GanforgeError, match="at least 1000 rows of fake_features but there are 150"):
        KernelDistance()(compare(*SHIFTED))
    with pytest.raises(GanforgeError, match="subset_size"):
        KernelDistance(subset_size=1)


@pytest.mark.parametrize(("splits", "seed"), [(10, 2020), (3, 5), (1, None)])
def test_score_and_permutation_are_torch_fidelity_s(splits, seed):
    logits = normal(203, 6)
    expected = isc_features_to_metric(logits, splits, seed is not None, seed)
    found = InceptionScore(splits, seed)(compare(fake_logits=logits))
    assert tuple(found.values()) == pytest.approx(tuple(expected.values()), rel=1e-12)  # float64, summed in any order
    marginal = logits.double().softmax(1).mean(0)
    divergence = (logits.double().softmax(1) * (logits.double().log_softmax(1) - marginal.log())).sum(1).mean()
    if splits == 1:
        assert found == {"inception_score": pytest.approx(divergence.exp().item()), "inception_score_std": 0.0}


def test_score_s_bounds():
    certain = torch.eye(10).repeat(50, 1) * 40
    assert InceptionScore(1)(compare(fake_logits=certain))["inception_score"] == pytest.approx(10, rel=1e-6)
    alike = InceptionScore(5)(compare(fake_logits=torch.zeros(100, 10)))
    assert alike == {"inception_score": pytest.approx(1), "inception_score_std": pytest.approx(0)}
    assert 1 <= InceptionScore(5)(compare(fake_logits=normal(100, 10)))["inception_score"] <= 10
    with pytest.raises(GanforgeError, match="at least 10 rows of fake_logits but there are 9"):
        InceptionScore()(compare(fake_logits=normal(9, 10)))


@pytest.mark.parametrize("metric", [InceptionScore(2), ClassBalance()])
def test_without_classes_there_is_no_score(metric):
    none = torch.zeros(20, 0)
    with pytest.raises(GanforgeError, match="extractor has none"):
        metric(compare(normal(20), fake_logits=none, real_logits=none))

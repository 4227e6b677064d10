"""Precision, recall, density and coverage."""

import pytest
import torch
from comparisons import compare, normal
from torch_fidelity.metric_prc import prc_features_to_metric

from ganforge.core.errors import GanforgeError
from ganforge.metrics import distances
from ganforge.metrics.distances import nearest, neighbour_radii
from ganforge.metrics.manifold import DensityCoverage, PrecisionRecall


@pytest.mark.parametrize("save", [True, False])
def test_equal_to_torch_fidelity(save, monkeypatch):
    fake, real = normal(300, seed=1, scale=0.7, shift=0.2), normal(250)
    options = {"prc_neighborhood": 4, "prc_batch_size": 64, "save_cpu_ram": save, "verbose": False}
    expected = prc_features_to_metric(fake, real, **options)
    assert 0.1 < expected["recall"] < expected["precision"] < 1
    monkeypatch.setattr(distances, "BLOCK", 3000)
    assert PrecisionRecall(4)(compare(fake, real)) == pytest.approx(expected, abs=1e-7)


def test_density_and_coverage_are_those_of_the_definition():
    fake, real = normal(80, 3, seed=1, shift=0.5).double(), normal(90, 3).double()
    between, within = torch.cdist(real, fake), torch.cdist(real, real)
    radii = within.sort(1).values[:, 5]
    expected = {
        "density": ((between < radii[:, None]).sum() / (5 * 80)).item(),
        "coverage": (between.min(1).values < radii).double().mean().item(),
    }
    assert DensityCoverage()(compare(fake, real)) == pytest.approx(expected, abs=1e-7)


def test_identical_sets_cover_each_other():
    rows = normal(100)
    found = {**PrecisionRecall()(compare(rows, rows)), **DensityCoverage()(compare(rows, rows))}
    assert found["precision"] == found["recall"] == found["coverage"] == 1
    assert found["density"] == pytest.approx(
        1, abs=0.01
    )  # an open ball holds its centre and 4 others, but for rounding


def test_a_collapsed_and_a_distant_generator():
    real = normal(200)
    collapsed = compare(real[:1].repeat(50, 1) + 1e-3 * normal(50, seed=2), real)
    assert PrecisionRecall()(collapsed)["precision"] == 1
    assert PrecisionRecall()(collapsed)["recall"] < 0.05
    assert DensityCoverage()(collapsed)["coverage"] < 0.2
    distant = compare(normal(200, seed=1, shift=30), real)
    assert set({**PrecisionRecall()(distant), **DensityCoverage()(distant)}.values()) == {0}


def test_a_copy_is_at_distance_nought_even_far_from_the_origin():
    rows = normal(50, shift=1000)
    found, numbers = nearest(rows[10:20], rows)
    assert found.tolist() == [0] * 10
    assert numbers.tolist() == list(range(10, 20))


def test_distances_do_not_fall_for_reduced_products():
    rows = normal(64, 300, shift=3)
    exact = torch.cdist(rows.double(), rows.double()).sort(1).values[:, 3]
    torch.set_float32_matmul_precision("medium")
    try:
        torch.testing.assert_close(neighbour_radii(rows, 3).double(), exact, rtol=1e-4, atol=0)
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision("highest")


def test_too_few_samples_for_neighbours():
    with pytest.raises(GanforgeError, match="at least 6 rows of real_features but there are 5"):
        DensityCoverage()(compare(real=normal(5)))
    with pytest.raises(GanforgeError, match="neighbours"):
        PrecisionRecall(0)

"""Copies of training images are found, and new images are not taken for copies."""

import pytest
import torch
from comparisons import compare, normal
from torch import nn
from torchmetrics.image.mifid import MemorizationInformedFrechetInceptionDistance

from ganforge.core.errors import GanforgeError
from ganforge.metrics.memorisation import (
    Authenticity,
    FrechetGap,
    MemorizationInformedFrechet,
    NearestTraining,
)

TRAIN, HELDOUT = normal(400, 16), normal(300, 16, seed=1)


def score(metric, fake):
    return metric(compare(fake, train_features=TRAIN, heldout_features=HELDOUT))


def test_copies_are_found():
    copies = TRAIN[:200] + normal(200, 16, seed=3, scale=1e-3)
    found = score(NearestTraining(), copies)
    assert found["nearest_ratio"] < 0.01
    assert found["nearest_closer"] == found["nearest_copies"] == 1
    assert score(Authenticity(), copies)["authenticity"] == 0
    assert score(FrechetGap(), copies)["fid_gap"] > 0.3


def test_new_samples_are_not():
    new = normal(2000, 16, seed=4)
    found = score(NearestTraining(0.1), new)
    assert found["nearest_ratio"] == pytest.approx(1, abs=0.03)
    assert found["nearest_closer"] == pytest.approx(0.1, abs=0.05)
    assert found["nearest_copies"] < 0.02
    assert score(Authenticity(), new)["authenticity"] > 0.4
    assert abs(score(FrechetGap(), new)["fid_gap"]) < 0.2


def test_a_few_copies_among_new_samples_show_in_their_share():
    mixed = torch.cat([TRAIN[:20], normal(180, 16, seed=4)])
    assert score(NearestTraining(), mixed)["nearest_copies"] == pytest.approx(0.1, abs=0.02)
    assert score(NearestTraining(), mixed)["nearest_ratio"] == pytest.approx(1, abs=0.1)


def test_gap_is_of_equally_many_images():
    """Of the same distribution as held-out images: with all 400 training images it would be biased below 0."""
    gaps = [score(FrechetGap(), normal(300, 16, seed=seed))["fid_gap"] for seed in range(10, 30)]
    assert abs(sum(gaps) / len(gaps)) < 0.12


def torchmetrics(first, second):
    given = nn.Identity()
    given.num_features = first.shape[1]
    metric = MemorizationInformedFrechetInceptionDistance(feature=given)
    metric.update(first.double(), real=True)
    metric.update(second.double(), real=False)
    return metric.compute().item()


@pytest.mark.parametrize("noise", [0.1, 1.0])
def test_memorization_informed_distance_is_torchmetrics_with_sets_exchanged(noise):
    fake = TRAIN[:60] * 1.3 + normal(60, 16, seed=5, scale=noise)
    fake[7] = 0
    found = score(MemorizationInformedFrechet(), fake)
    assert found["mifid"] == pytest.approx(torchmetrics(fake, TRAIN), rel=1e-5)
    assert (found["mifid_distance"] < 0.1) == (noise == 0.1)
    over_real = score(MemorizationInformedFrechet(mean_over="real"), fake)
    assert over_real["mifid"] == pytest.approx(torchmetrics(TRAIN, fake), rel=1e-5)


def test_memorization_informed_distance_punishes_copies_of_few_images():
    copies = TRAIN[:20].repeat(10, 1) + normal(200, 16, seed=5, scale=0.05)
    fid = score(FrechetGap(), copies)["fid_train"]
    assert score(MemorizationInformedFrechet(), copies)["mifid"] > 100 * fid
    assert torchmetrics(TRAIN, copies) < 2 * fid  # its mean over real images sees none of it


@pytest.mark.parametrize(
    "make", [lambda: NearestTraining(0), lambda: NearestTraining(1), lambda: MemorizationInformedFrechet(0)]
)
def test_impossible_thresholds(make):
    with pytest.raises(GanforgeError, match=r"quantile|threshold"):
        make()

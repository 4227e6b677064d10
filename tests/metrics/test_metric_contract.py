"""What holds for every metric: found by looking, so that a new one is held to it without a new test."""

import dataclasses

import pytest
import torch
from comparisons import compare, images, normal

import ganforge.metrics
from discovery import classes_in
from ganforge.metrics.directions import directions
from ganforge.metrics.frechet import FrechetDistance
from ganforge.metrics.inception_score import InceptionScore
from ganforge.testing import check_metric

#: Smaller than the published parameters, so that few samples do.
SMALL = {
    "KernelDistance": {"subsets": 5, "subset_size": 50},
    "KernelInterval": {"resamples": 5},
    "FrechetInterval": {"resamples": 3},
    "FrechetInfinity": {"sizes": 3},
    "InceptionScore": {"splits": 2},
    "PyramidWasserstein": {"patches": 4, "projections": 8},
    "SlicedWasserstein": {"projections": 8},
    "MultiScaleSimilarity": {"pairs": 3, "scales": 2, "pairing": "class"},
    "LpipsDiversity": {"pairs": 3},
    "PerceptualPathLength": {"samples": 5},
}
#: A protocol is no metric; modes need a logit each (tests/data/test_stacked.py) or a known mixture (test_modes.py).
ELSEWHERE = {"Protocol", "StackedModes", "ModeCoverage"}
LABELS = torch.arange(2).repeat(120)


METRICS = {
    kind.__name__: kind
    for kind in classes_in(ganforge.metrics)
    if dataclasses.is_dataclass(kind) and hasattr(kind, "needs") and kind.__name__ not in ELSEWHERE
}


@pytest.fixture
def make(monkeypatch):
    """Make a metric with small parameters; LPIPS, whose weights cannot be had here, is a mean squared difference."""
    for module in ("diversity", "path_length"):
        monkeypatch.setattr(
            f"ganforge.metrics.{module}.load_lpips",
            lambda network, device: lambda first, second: (first - second).square().mean((1, 2, 3)),
        )
    return lambda name: METRICS[name](**SMALL.get(name, {}))


def comparison():
    """Return a comparison with every field."""
    pictures = images(240)
    fields = {"fake_logits": normal(240, 5, seed=9)}
    for seed, kind in enumerate(("real", "train", "heldout")):
        fields |= {
            f"{kind}_features": normal(240, 6, seed=seed),
            f"{kind}_labels": LABELS,
            f"{kind}_images": pictures.flip(0),
        }
    fields |= {"real_logits": normal(240, 5, seed=8), "fake_labels": LABELS, "fake_images": pictures}
    fields |= dict.fromkeys(("target_images", "source_images"), pictures.flip(1)) | {"cycle_images": pictures}
    fields["path_pairs"] = lambda count, epsilon, generator, **_: (torch.zeros(count, 3, 8, 8),) * 2
    return compare(normal(240, 6, seed=7), **{**fields, "real": fields["real_features"]})


def test_all_are_found():
    assert len(METRICS) >= 20


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_keeps_the_contract(name, make):
    check_metric(make(name), comparison())


def test_no_two_metrics_return_the_same_name(make):
    names = [key for name in METRICS for key in make(name)(comparison())]
    assert len(names) == len(set(names))


ORDERLESS = [
    "FrechetDistance",
    "FullKernelDistance",
    "PrecisionRecall",
    "DensityCoverage",
    "ClassBalance",
    "Authenticity",
]


@pytest.mark.parametrize("name", ORDERLESS)
def test_the_order_of_samples_does_not_matter(name, make):
    whole = comparison()
    order = torch.randperm(240, generator=torch.Generator().manual_seed(0))
    shuffled = {field: getattr(whole, field)[order] for field in ("fake_features", "fake_logits", "fake_labels")}
    assert make(name)(dataclasses.replace(whole, **shuffled)) == pytest.approx(make(name)(whole), rel=1e-6)


def test_directions_are_found_behind_a_samplers_name():
    better = {**FrechetDistance().better, **InceptionScore(splits=2).better}
    found = directions(better, ["a_to_b/fid", "inception_score_std", "kid", "fid"])
    assert found == {"a_to_b/fid": "less", "fid": "less"}

"""What holds for every metric: found by looking, so that a new one is held to it without a new test."""

import dataclasses
import fnmatch
import importlib
import json
import math
import pkgutil

import pytest
import torch
from comparisons import compare, images, normal

import ganforge.metrics
from ganforge.core.errors import GanforgeError
from ganforge.metrics.comparison import Comparison
from ganforge.metrics.directions import directions
from ganforge.metrics.frechet import FrechetDistance
from ganforge.metrics.inception_score import InceptionScore

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


def found():
    for module in pkgutil.iter_modules(ganforge.metrics.__path__, "ganforge.metrics."):
        for name, value in vars(importlib.import_module(module.name)).items():
            own = getattr(value, "__module__", None) == module.name
            if own and dataclasses.is_dataclass(value) and hasattr(value, "needs") and name not in ELSEWHERE:
                yield name, value


METRICS = dict(found())


@pytest.fixture
def make(monkeypatch):
    """Make a metric with small parameters; LPIPS, whose weights cannot be had here, is a mean squared difference."""
    for module in ("diversity", "path_length"):
        monkeypatch.setattr(
            f"ganforge.metrics.{module}.load_lpips",
            lambda network, device: lambda first, second: (first - second).square().mean((1, 2, 3)),
        )
    return lambda name: METRICS[name](**SMALL.get(name, {}))


def comparison(needs=None, **changes):
    """Return a comparison with only the fields that are needed."""
    pictures = images(240)
    fields = {"fake_logits": normal(240, 5, seed=9)}
    for seed, kind in enumerate(("real", "train", "heldout")):
        fields |= {
            f"{kind}_features": normal(240, 6, seed=seed),
            f"{kind}_labels": LABELS,
            f"{kind}_images": pictures.flip(0),
        }
    fields |= {"real_logits": normal(240, 5, seed=8), "fake_labels": LABELS, "fake_images": pictures}
    fields["path_pairs"] = lambda count, epsilon, generator: (torch.zeros(count, 3, 8, 8),) * 2
    whole = compare(normal(240, 6, seed=7), **{**fields, "real": fields["real_features"], **changes})
    given = {field.name for field in dataclasses.fields(Comparison) if field.default is None}
    return dataclasses.replace(whole, **dict.fromkeys(set() if needs is None else given - needs))


def test_all_are_found():
    assert len(METRICS) >= 20


@pytest.mark.parametrize("name", METRICS)
def test_a_metric_is_its_parameters_and_returns_floats_for_what_it_needs(name, make):
    metric = make(name)
    assert hash(metric) == hash(make(name))
    assert json.loads(json.dumps(dataclasses.asdict(metric))) == dataclasses.asdict(metric)
    assert "needs" not in dataclasses.asdict(metric)
    with pytest.raises(dataclasses.FrozenInstanceError):
        metric.anything = 1
    assert metric.needs <= {field.name for field in dataclasses.fields(Comparison) if field.default is None}
    state = torch.get_rng_state()
    values = metric(comparison(metric.needs))
    assert values
    assert all(type(value) is float and math.isfinite(value) for value in values.values())
    assert metric(comparison(metric.needs)) == values
    assert torch.equal(torch.get_rng_state(), state)  # nothing is drawn from the training's stream


@pytest.mark.parametrize("name", METRICS)
def test_a_missing_field_is_reported(name, make):
    metric = make(name)
    for needed in metric.needs:
        with pytest.raises(GanforgeError, match=r"^[^.]+(\.[^ ][^.]*)*\.$"):  # one sentence
            metric(comparison(metric.needs - {needed}))


@pytest.mark.parametrize("name", METRICS)
def test_diverged_generators_are_refused(name, make):
    metric = make(name)
    if metric.needs & {"fake_images", "path_pairs"}:
        pytest.skip("reads images, which are whole numbers, or refuses its own distances")
    broken = {"fake_logits": torch.full((240, 5), torch.nan)}
    changed = dataclasses.replace(comparison(metric.needs, **broken), fake_features=torch.full((240, 6), torch.inf))
    with pytest.raises(GanforgeError, match="diverged"):
        metric(changed)


def test_no_two_metrics_return_the_same_name(make):
    names = [key for name in METRICS for key in make(name)(comparison(make(name).needs))]
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


@pytest.mark.parametrize("name", METRICS)
def test_a_metric_says_which_way_its_values_are_better(name, make):
    metric = make(name)
    values = metric(comparison(metric.needs))
    for pattern in metric.better:
        assert [value for value in values if fnmatch.fnmatchcase(value, pattern)], pattern
    beside = set(values) - set(directions(metric.better, values))
    assert all(value.endswith(("_std", "_error", "_low", "_high", "_class")) for value in beside)
    assert "better" not in dataclasses.asdict(metric)


def test_directions_are_found_behind_a_samplers_name():
    better = {**FrechetDistance().better, **InceptionScore(splits=2).better}
    found = directions(better, ["a_to_b/fid", "inception_score_std", "kid", "fid"])
    assert found == {"a_to_b/fid": "less", "fid": "less"}

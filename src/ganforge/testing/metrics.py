"""What holds for every metric and every feature extractor."""

import dataclasses
import json
import math
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import Tensor

from ganforge.metrics.comparison import Comparison, Metric
from ganforge.metrics.directions import directions
from ganforge.metrics.extractors import Extractor, Features
from ganforge.testing.expect import name_of, require, require_finite, require_refusal

__all__ = ["check_extractor", "check_metric"]

#: Endings of values that stand beside another one and have no direction.
_BESIDE = ("_std", "_error", "_low", "_high", "_class")

_OPTIONAL = {field.name for field in dataclasses.fields(Comparison) if field.default is None}


def check_metric(metric: Metric, comparison: Comparison) -> None:
    """Check that a metric is its parameters, says what it needs and which way is better, and returns plain floats.

    Args:
        metric: with parameters for which the comparison has enough samples.
        comparison: with every field that the metric may read.

    Raises:
        AssertionError: in a sentence, for what does not hold.
    """
    name = name_of(metric)
    _check_parameters(metric, name)
    unknown = sorted(metric.needs - _OPTIONAL)
    require(not unknown, f"{name} needs {unknown}, which no Comparison has: see ganforge.metrics.comparison.")
    bare = dataclasses.replace(comparison, **dict.fromkeys(_OPTIONAL - metric.needs))  # type: ignore[arg-type]
    state = torch.get_rng_state()
    try:
        values = metric(bare)
    except Exception as error:
        raise AssertionError(f"{name} fails on a comparison with the fields of its needs alone: {error}") from error
    require(bool(values), f"{name} must return values by name.")
    wrong = {key: value for key, value in values.items() if type(value) is not float or not math.isfinite(value)}
    require(not wrong, f"{name} must return finite plain floats, got {wrong}.")
    require(metric(bare) == values, f"{name} must give the same values each time: draw from rng.torch_generator.")
    drawn = not torch.equal(torch.get_rng_state(), state)
    require(not drawn, f"{name} draws from the training's random stream: draw from rng.torch_generator.")
    _check_directions(metric, values, name)
    for needed in sorted(metric.needs):
        missing = dataclasses.replace(bare, **{needed: None})  # type: ignore[arg-type]
        require_refusal(lambda c=missing: metric(c), f"{name} must refuse a comparison without {needed}")  # type: ignore[misc]
    if not metric.needs & {
        "fake_images",
        "cycle_images",
        "path_pairs",
    }:  # always finite
        lost = {"fake_features": torch.full_like(comparison.fake_features, torch.inf)}
        lost["fake_logits"] = torch.full_like(comparison.fake_logits, torch.nan)
        refusal = require_refusal(
            lambda: metric(dataclasses.replace(bare, **lost)),  # type: ignore[arg-type]
            f"{name} must refuse samples of a generator that has diverged",
        )
        require("diverged" in str(refusal), f"{name} must say that the generator has diverged; it says: {refusal}")


def _check_parameters(metric: Any, name: str) -> None:
    frozen = getattr(getattr(metric, "__dataclass_params__", None), "frozen", False)
    require(frozen, f"{name} must be a frozen dataclass of its parameters: they are part of a protocol's hash.")
    parameters = dataclasses.asdict(metric)
    plain = json.loads(json.dumps(parameters)) == parameters
    require(plain, f"{name}'s parameters must be plain values, got {parameters}.")
    kept = parameters.keys() & {"needs", "better"}
    require(not kept, f"{name} keeps {sorted(kept)} as parameters: annotate them as ClassVar.")
    require(hash(metric) == hash(dataclasses.replace(metric)), f"{name} must be hashable by its parameters.")


def _check_directions(metric: Metric, values: dict[str, float], name: str) -> None:
    unused = [pattern for pattern in metric.better if not any(fnmatchcase(value, pattern) for value in values)]
    require(not unused, f"{name}.better names {unused}, and its values are {sorted(values)}.")
    beside = [
        value for value in values if value not in directions(metric.better, values) and not value.endswith(_BESIDE)
    ]
    require(not beside, f"{name} does not say which way {beside} are better: add them to {name}.better.")


def check_extractor(extractor: Extractor, stored: Tensor) -> None:
    """Check that an extractor gives every sample its own features, the same in any company, and says what it is.

    Args:
        extractor: whose weights are there.
        stored: ``(n, ...)`` samples as datasets hold them, at least 3.

    Raises:
        AssertionError: in a sentence, for what does not hold.
    """
    name = name_of(extractor)
    named = all(isinstance(getattr(extractor, field, None), str) for field in ("name", "resize"))
    require(named, f"{name} must have a name and a resize, which protocols report.")
    loaded, again = extractor.load(), extractor.load()
    require(loaded.weights == again.weights, f"{name} must name its weights by what they are: it gives two names.")
    require(not loaded.module.training, f"{name} must load its network in evaluation mode: call eval().")
    trained = any(parameter.requires_grad for parameter in loaded.module.parameters())
    require(not trained, f"{name} must load its network frozen: call requires_grad_(False).")
    found: Features = loaded.module(stored)
    count = len(stored)
    for what, values, width in (
        ("features", found.features, loaded.dimensions),
        ("logits", found.logits, loaded.classes),
    ):
        right = values.dtype == torch.float32 and values.ndim == 2 and len(values) == count
        require(right, f"{name} must give float32 {what} ({count}, d), got {values.dtype} {tuple(values.shape)}.")
        wide = values.shape[1] == width or (what == "features" and width == 0)  # the samples' own values: any number
        require(wide, f"{name} says that it gives {width} {what} and gives {values.shape[1]}.")
        require_finite([values], f"{name} must give finite {what}.")
    alone = loaded.module(stored[:1]).features
    near = torch.allclose(alone, found.features[:1], rtol=1e-3, atol=1e-4)
    require(near, f"{name} gives a sample other features in other company: it must judge each by itself.")

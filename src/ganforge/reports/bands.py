"""Learning curves of a variant: the mean over seeds, and its interval."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ganforge.reports.reading import Run, Series
from ganforge.reports.statistics import estimate
from ganforge.reports.variants import Variant

__all__ = ["Band", "band", "panels", "seeds", "thin"]

#: Points of a drawn curve; longer ones are averaged over equal stretches.
_POINTS = 300

#: Runs up to which each is drawn as a line of its own.
_LINES = 30


@dataclass(frozen=True)
class Band:
    """The mean over seeds at clocks that every counted run has reached.

    Attributes:
        images: clocks.
        seconds: the runs' mean time at each clock.
        mean: of the values.
        low, high: 95 % interval for the mean; empty with one run.
        runs: how many.
    """

    images: tuple[int, ...]
    seconds: tuple[float, ...]
    mean: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    runs: int


def thin(series: Series, points: int = _POINTS) -> Series:
    """Return at most ``points`` means over equal numbers of values, each placed at its stretch's last clock."""
    if len(series.images) <= points:
        return series
    ends = np.linspace(0, len(series.images), points + 1).round().astype(int)[1:]
    starts = [0, *ends[:-1]]
    return Series(
        tuple(series.images[end - 1] for end in ends),
        tuple(series.seconds[end - 1] for end in ends),
        tuple(float(np.mean(series.values[start:end])) for start, end in zip(starts, ends, strict=True)),
    )


def band(variant: Variant, key: tuple[str, str]) -> Band | None:
    """Return the band of a series over the counted runs that have it; ``None`` if none has, or no clock is common."""
    found = [run.series[key] for run in variant.counted if key in run.series]
    if not found:
        return None
    if len({each.images for each in found}) == 1:
        found = [thin(each) for each in found]
    series = [_points(each) for each in found]
    common = sorted(set.intersection(*(set(points) for points in series)))
    common = _evenly(common)
    if not common:
        return None
    estimates = [estimate([points[clock][1] for points in series]) for clock in common]
    return Band(
        images=tuple(common),
        seconds=tuple(float(np.mean([points[clock][0] for points in series])) for clock in common),
        mean=tuple(each.mean for each in estimates),
        low=tuple(each.low for each in estimates if each.low is not None),
        high=tuple(each.high for each in estimates if each.high is not None),
        runs=len(series),
    )


def _points(series: Series) -> dict[int, tuple[float, float]]:
    """Return seconds and value by clock."""
    return dict(zip(series.images, zip(series.seconds, series.values, strict=True), strict=True))


def _evenly(clocks: Sequence[int]) -> list[int]:
    """Return at most the drawn number of clocks, the last one among them."""
    if len(clocks) <= _POINTS:
        return list(clocks)
    return [clocks[index] for index in np.linspace(0, len(clocks) - 1, _POINTS).round().astype(int)]


def panels(variants: Sequence[Variant]) -> list[str]:
    """Return the names of what is logged of players, one a panel: losses and logits, gradient norms, augmentation."""
    names = {name for variant in variants for run in variant.runs for name, protocol in run.series if not protocol}
    unwanted = ("metrics/", "speed/", "schedule/")
    return sorted((name for name in names if "/" in name and not name.startswith(unwanted)), key=_order)


def _order(name: str) -> tuple[bool, bool, str]:
    return (name.startswith("augment/"), name.endswith("/gradient_norm"), name)


def seeds(variants: Sequence[Variant], key: tuple[str, str]) -> list[tuple[Variant, Run, Series]]:
    """Return each run that has the series, with few enough points to draw; none where lines would hide one another."""
    runs = [(variant, run) for variant in variants for run in variant.runs if key in run.series]
    if len(runs) > _LINES:
        return []
    return [(variant, run, thin(run.series[key])) for variant, run in runs]

"""What was measured: values that may be ranked together, and what a run's values come down to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Literal

from ganforge.metrics.directions import Direction, directions
from ganforge.reports.reading import Run, Series
from ganforge.reports.variants import Variant, plain, short_key

__all__ = ["Measure", "Statistic", "by_name", "find_measures", "reach", "score", "scores"]

Statistic = Literal["last", "best"]

#: Keys of ``data`` that change no image that metrics compare with.
_TRAINING_ONLY = (
    "data.batch_size",
    "data.classes",
    "data.horizontal_flip",
    "data.seed",
    "data.workers",
    "data.source.workers",
)


@dataclass(frozen=True)
class Measure:
    """One metric under one protocol on one dataset: the values that may stand in one ranking.

    Attributes:
        name: such as ``fid``.
        protocol: the tag that travels with its values.
        data: which dataset, where the runs have several; else empty.
        better: whether greater or less is better; ``None`` if neither is by itself.
    """

    name: str
    protocol: str
    data: str
    better: Direction | None

    @property
    def key(self) -> tuple[str, str]:
        """Its name and protocol in a run's series."""
        return (f"metrics/{self.name}", self.protocol)

    @property
    def title(self) -> str:
        """Its name in reports."""
        sampler, _, name = self.name.rpartition("/")
        title = name.upper() if len(name) <= 3 else name.replace("_", " ").capitalize()
        return f"{sampler}: {title}" if sampler else title

    @property
    def how(self) -> str:
        """Protocol and dataset in words."""
        protocol = self.protocol or "no protocol recorded"
        return f"{protocol}, {self.data}" if self.data else protocol

    def improves(self, value: float, than: float) -> bool:
        """Whether ``value`` is strictly better."""
        return value > than if self.better == "greater" else value < than


def find_measures(variants: Sequence[Variant]) -> dict[Measure, list[Variant]]:
    """Return every measure, in order of names, with the variants that have values of it."""
    datasets = _datasets(variants)
    found: dict[Measure, list[Variant]] = {}
    for variant in variants:
        keys = {key for run in variant.runs for key in (*run.series, *run.diverged) if key[0].startswith("metrics/")}
        better = {pattern: way for run in variant.runs for pattern, way in run.better.items()}
        ranked = directions(better, [name for name, _ in keys])
        for name, protocol in sorted(key for key in keys if key[0] in ranked):
            measure = Measure(name.removeprefix("metrics/"), protocol, datasets[variant.label], ranked[name])
            found.setdefault(measure, []).append(variant)
    return dict(
        sorted(found.items(), key=lambda pair: (pair[0].name != "fid", pair[0].name, *pair[0].key, pair[0].data))
    )


def _datasets(variants: Sequence[Variant]) -> dict[str, str]:
    """Return each variant's dataset in words; empty words if all have the same one."""
    nodes = {
        variant.label: {
            key: value
            for key, value in variant.settings.items()
            if key.startswith("data.") and key not in _TRAINING_ONLY
        }
        for variant in variants
    }
    keys = sorted({key for node in nodes.values() for key in node})
    differing = [key for key in keys if len({repr(node.get(key)) for node in nodes.values()}) > 1]
    return {
        label: ", ".join(f"{short_key(key)}={plain(node[key])}" for key in differing if key in node)
        for label, node in nodes.items()
    }


def score(run: Run, measure: Measure, statistic: Statistic) -> tuple[float, int] | None:
    """Return a run's last or best value and the images seen then; ``None`` if there is none, or it has diverged."""
    series = run.series.get(measure.key)
    if series is None or measure.key in run.diverged or (statistic == "best" and measure.better is None):
        return None
    at = len(series.values) - 1
    if statistic == "best":
        for index, value in enumerate(series.values):
            if measure.improves(value, series.values[at]):
                at = index
    return series.values[at], series.images[at]


def scores(variant: Variant, measure: Measure, statistic: Statistic) -> dict[int | str, float]:
    """Return the value of each counted run by seed."""
    found = {run.seed: score(run, measure, statistic) for run in variant.counted}
    return {seed: value[0] for seed, value in found.items() if value is not None}


def reach(series: Series, measure: Measure, target: float) -> tuple[float, float]:
    """Return images and seconds at the first measurement that is as good as ``target``; infinity if there is none."""
    for images, seconds, value in zip(series.images, series.seconds, series.values, strict=True):
        if not measure.improves(target, value):
            return images, seconds
    return inf, inf


def by_name(measures: Mapping[Measure, list[Variant]]) -> dict[str, list[Measure]]:
    """Return measures of one name together."""
    grouped: dict[str, list[Measure]] = {}
    for measure in measures:
        grouped.setdefault(measure.name, []).append(measure)
    return grouped

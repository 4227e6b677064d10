"""Rankings and tests as rows, and as CSV, Markdown and LaTeX."""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from math import floor, inf, isfinite, log10
from statistics import median

from ganforge.reports.measures import Measure, reach, score, scores
from ganforge.reports.statistics import Estimate, Pair, compare_pairs, estimate
from ganforge.reports.study import Study
from ganforge.reports.variants import Variant

__all__ = [
    "MISSING",
    "Place",
    "format_estimate",
    "kimg",
    "leaders",
    "pairs_csv",
    "ranking",
    "rankings_csv",
    "reach_text",
    "runs_csv",
    "significance",
    "written_ranking",
]


#: Stands where there is no value.
MISSING = "\N{EN DASH}"


@dataclass(frozen=True)
class Place:
    """A variant's row in a ranking.

    Attributes:
        variant: which.
        last, best: over seeds; ``best`` is ``None`` where it is not known what is better.
        best_images: median of images seen at the best value.
        speed: images a second; ``None`` where it was not logged.
        reached: number of runs that reached the target, and of runs measured; ``None`` without a target.
        reach_images, reach_seconds: medians; infinite where half of the runs or more did not get there.
    """

    variant: Variant
    last: Estimate
    best: Estimate | None
    best_images: float | None
    speed: Estimate | None
    reached: tuple[int, int] | None = None
    reach_images: float = inf
    reach_seconds: float = inf


def ranking(study: Study, measure: Measure) -> list[Place]:
    """Return the variants in which ``measure`` was measured, the best mean of last values first."""
    target = study.target if measure.name == study.metric else None
    places = [_place(variant, measure, target) for variant in study.measures[measure]]
    sign = -1 if measure.better == "greater" else 1
    return sorted((place for place in places if place is not None), key=lambda place: sign * place.last.mean)


def _place(variant: Variant, measure: Measure, target: float | None) -> Place | None:
    last, best = scores(variant, measure, "last"), scores(variant, measure, "best")
    if not last:
        return None
    at = [found[1] for run in variant.counted if (found := score(run, measure, "best")) is not None]
    speeds = [run.speed for run in variant.counted if run.speed is not None]
    place = Place(
        variant=variant,
        last=estimate(list(last.values())),
        best=estimate(list(best.values())) if best else None,
        best_images=median(at) if at else None,
        speed=estimate(speeds) if speeds else None,
    )
    if target is None or measure.better is None:
        return place
    when = [reach(run.series[measure.key], measure, target) for run in variant.counted if measure.key in run.series]
    return replace(
        place,
        reached=(sum(isfinite(images) for images, _ in when), len(when)),
        reach_images=median(images for images, _ in when),
        reach_seconds=median(seconds for _, seconds in when),
    )


def significance(study: Study, measure: Measure) -> list[Pair]:
    """Test every two variants whose runs have finished; see :func:`~ganforge.reports.statistics.compare_pairs`."""
    return compare_pairs(
        {
            place.variant.label: scores(place.variant, measure, "last")
            for place in ranking(study, measure)
            if place.variant.finished
        }
    )


def leaders(places: Sequence[Place], pairs: Iterable[Pair]) -> set[str]:
    """Return the label with the best mean, and those that a test against it did not find significantly different.

    None where it is not known what is better.
    """
    if not places or places[0].best is None:
        return set()
    first = places[0].variant.label
    tested = [pair for pair in pairs if first in (pair.first, pair.second) and pair.test is not None]
    return {first} | {label for pair in tested if not pair.is_significant for label in (pair.first, pair.second)}


def format_estimate(value: Estimate | None, sign: str = "±") -> str:
    """Return ``12.3 ± 0.4``: the interval's half width to two digits, the mean to the same place."""
    if value is None:
        return MISSING
    margin = value.margin
    if margin is None:
        return f"{value.mean:.4g}"
    if margin <= 0 or not isfinite(margin):
        return f"{value.mean:.4g} {sign} {margin:.2g}"
    places = min(max(0, 1 - floor(log10(margin))), 8)
    return f"{value.mean:.{places}f} {sign} {margin:.{places}f}"


def reach_text(place: Place) -> str:
    """Return when the target was reached, in words."""
    if place.reached is None:
        return MISSING
    got, of = place.reached
    if not isfinite(place.reach_images):
        return f"not reached ({got} of {of} runs)"
    return f"{kimg(place.reach_images)} kimg, {duration(place.reach_seconds)} ({got} of {of} runs)"


def kimg(images: float | None) -> str:
    """Return images in thousands."""
    if images is None:
        return MISSING
    return f"{images / 1000:,.0f}" if images >= 1e6 else f"{images / 1000:.4g}"


def duration(seconds: float) -> str:
    """Return seconds as text, in the largest fitting unit."""
    for unit, size in (("d", 86400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"


def _comma_separated(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(["" if cell is None or cell == inf else cell for cell in row] for row in rows)
    return text.getvalue()


def _numbers(value: Estimate | None) -> tuple[object, ...]:
    return (None,) * 4 if value is None else (value.mean, value.low, value.high, value.deviation)


def rankings_csv(study: Study) -> str:
    """Return one row a measure and variant, in full precision."""
    header = ["metric", "protocol", "data", "variant", "runs"]
    for name in ("last", "best", "images_per_second"):
        header += [f"{name}_{part}" for part in ("mean", "low", "high", "deviation")]
    header += ["best_images", "target", "reached", "reach_images", "reach_seconds"]
    rows = [
        [
            *(measure.name, measure.protocol, measure.data, place.variant.label, place.last.n),
            *(*_numbers(place.last), *_numbers(place.best), *_numbers(place.speed), place.best_images),
            *(None if place.reached is None else study.target, None if place.reached is None else place.reached[0]),
            *(place.reach_images, place.reach_seconds),
        ]
        for measure in study.measures
        for place in ranking(study, measure)
    ]
    return _comma_separated(header, rows)


def pairs_csv(study: Study) -> str:
    """Return one row a measure and pair of variants."""
    header = ("metric", "protocol", "data", "first", "second", "test", "n", "difference", "low", "high", "p", "p_holm")
    rows = [
        (
            *(measure.name, measure.protocol, measure.data, pair.first, pair.second, pair.test or pair.reason),
            *("+".join(map(str, pair.n)), pair.difference, pair.low, pair.high, pair.p, pair.adjusted),
        )
        for measure in study.measures
        for pair in significance(study, measure)
    ]
    return _comma_separated(header, rows)


def runs_csv(study: Study) -> str:
    """Return one row a run and measure."""
    header = ("folder", "variant", "seed", "state", "counted", "metric", "protocol", "data")
    rows = [
        (
            *(run.path, variant.label, run.seed, run.state, run in variant.counted),
            *(measure.name, measure.protocol, measure.data, *(score(run, measure, "last") or (None, None))),
            *(score(run, measure, "best") or (None, None)),
        )
        for measure, variants in study.measures.items()
        for variant in variants
        for run in variant.runs
    ]
    return _comma_separated((*header, "last", "last_images", "best", "best_images"), rows)


def written_ranking(study: Study, measure: Measure) -> tuple[list[str], list[list[str]], set[str]]:
    """Return a ranking's header, its cells as text, and the labels of :func:`leaders`."""
    places = ranking(study, measure)
    timed = any(place.reached is not None for place in places)
    header = ["variant", "runs", f"last {measure.name}", f"best {measure.name}", "best at kimg", "images/s"]
    cells = [
        [
            *(place.variant.label, str(place.last.n), format_estimate(place.last), format_estimate(place.best)),
            kimg(place.best_images),
            format_estimate(place.speed),
            *([reach_text(place)] if timed else []),
        ]
        for place in places
    ]
    if timed:
        header.append(f"to reach {study.target:g}")
    return header, cells, leaders(places, significance(study, measure))

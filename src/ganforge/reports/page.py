"""The report: one HTML file with everything in it, which opens without a network."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from ganforge import __version__
from ganforge.core.errors import GanforgeError
from ganforge.core.extras import install
from ganforge.reports.documents import how_to_read
from ganforge.reports.grids import Grid, as_data_uri
from ganforge.reports.measures import Measure, by_name
from ganforge.reports.statistics import Estimate, Pair
from ganforge.reports.study import Study
from ganforge.reports.tables import (
    MISSING,
    Place,
    format_estimate,
    kimg,
    leaders,
    ranking,
    reach_text,
    significance,
)
from ganforge.reports.variants import ABSENT, differing_keys, short_key, value_text

__all__ = ["check_installed", "page"]

#: Bytes of all sample grids together.
_PICTURES = 6_000_000

#: Metrics side by side that fit on a page's width.
_COLUMNS = 6


def check_installed() -> None:
    """Refuse at once if what the page is made with is not installed.

    Raises:
        GanforgeError: with the command that installs it.
    """
    try:
        import jinja2  # noqa: F401
        import plotly  # noqa: F401
    except ImportError as error:
        raise GanforgeError(
            f"The HTML report needs {error.name}: {install('report')}, or leave it out with formats=[png,csv,md]."
        ) from error


def page(study: Study, grids: Sequence[Grid]) -> str:
    """Return the HTML of a report."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from plotly.offline import get_plotlyjs

    environment = Environment(
        loader=PackageLoader("ganforge.reports"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters["kimg"] = kimg
    environment.filters["number"] = lambda value, digits=4: MISSING if value is None else f"{value:.{digits}g}"
    blocks = list(_blocks(study))
    figures = _figures(study, blocks)
    return environment.get_template("page.html").render(
        study=study,
        version=__version__,
        names=list(by_name(study.measures)),
        blocks=blocks,
        overviews=list(_overviews(study)),
        grids=[(grid, as_data_uri(grid.picture, _PICTURES // len(grids))) for grid in grids],
        differences=list(_differences(study)),
        has_panels="panels" in figures,
        # "<" cannot end the script element early; JSON reads it back as it was.
        figures=json.dumps(figures).replace("<", "\\u003c"),
        plotly=get_plotlyjs(),
    )


def _blocks(study: Study) -> Iterator[dict[str, object]]:
    """Yield what the page shows of each measure."""
    for number, measure in enumerate(study.measures):
        places = ranking(study, measure)
        pairs = significance(study, measure)
        yield {
            "id": f"measure{number}",
            "measure": measure,
            "places": places,
            "first": leaders(places, pairs),
            "lead": _lead(measure, places, pairs),
            "rows": [_row(place) for place in places],
            "pairs": pairs,
            "results": [_result(pair, measure) for pair in pairs],
            "timed": any(place.reached is not None for place in places),
            "method": how_to_read(study, measure),
            "others": [each.how for each in study.of_metric(measure.name) if each != measure],
        }


def _lead(measure: Measure, places: Sequence[Place], pairs: Sequence[Pair]) -> str:
    """Return the ranking's result in one sentence."""
    if not places:
        return "No run that counts was measured."
    first = places[0]
    if measure.better is None or len(places) == 1:
        return f"{first.variant.label}: {format_estimate(first.last)}."
    text = f"Best mean: {first.variant.label}, {format_estimate(first.last)}."
    against = [pair for pair in pairs if first.variant.label in (pair.first, pair.second) and pair.test is not None]
    if not against:
        return f"{text} It could not be tested against the others."
    apart = sum(pair.is_significant for pair in against)
    if apart == len(places) - 1:
        return f"{text} The difference to every other variant is significant."
    return f"{text} It differs significantly from {apart} of {len(places) - 1} others."


def _overviews(study: Study) -> Iterator[dict[str, object]]:
    """Yield tables of every metric of one protocol and dataset beside one another, a few columns each."""
    together: dict[str, list[Measure]] = {}
    for measure in study.measures:
        together.setdefault(measure.how, []).append(measure)
    for how, measures in together.items():
        for start in range(0, len(measures) if len(measures) > 1 else 0, _COLUMNS):
            part = measures[start : start + _COLUMNS]
            placed = [{place.variant.label: place.last for place in ranking(study, measure)} for measure in part]
            rows = []
            for variant in study.variants:
                values = [of_measure.get(variant.label) for of_measure in placed]
                if any(values):
                    rows.append((variant.label, [(format_estimate(value), _mean(value)) for value in values]))
            yield {"how": how, "measures": part, "rows": rows}


def _row(place: Place) -> list[tuple[str, float | None]]:
    """Return a row's cells as text and as what to sort by."""
    cells: list[tuple[str, float | None]] = [(str(place.last.n), float(place.last.n))]
    cells += [(format_estimate(value), _mean(value)) for value in (place.last, place.best)]
    cells.append((kimg(place.best_images), place.best_images))
    cells.append((format_estimate(place.speed), _mean(place.speed)))
    if place.reached is not None:
        cells.append((reach_text(place), place.reach_seconds if place.reach_seconds < float("inf") else None))
    return cells


def _mean(value: Estimate | None) -> float | None:
    return None if value is None else value.mean


def _result(pair: Pair, measure: Measure) -> str:
    """Return a test's result in words."""
    if pair.test is None:
        return f"not tested: {pair.reason}"
    if not pair.is_significant:
        return "not significant"
    if measure.better is None:
        return "differ"
    return "first is better" if (pair.difference < 0) == (measure.better == "less") else "second is better"


def _differences(study: Study) -> Iterator[dict[str, object]]:
    """Yield each variant with what its configuration has other than the first variant's."""
    keys = differing_keys(study.variants)
    reference = study.variants[0]
    for variant in study.variants[1:]:
        changed = [
            (
                short_key(key),
                value_text(reference, key),
                value_text(variant, key),
            )
            for key in keys
            if reference.settings.get(key, ABSENT) != variant.settings.get(key, ABSENT)
        ]
        yield {"label": variant.label, "changed": changed}


def _figures(study: Study, blocks: list[dict[str, Any]]) -> dict[str, object]:
    """Return every plot by the id of the element that shows it, and by horizontal axis where there are several."""
    from ganforge.reports.parallel import parallel_plot
    from ganforge.reports.plots import AXES, as_json, curves_plot, panels_plot, values_plot

    figures: dict[str, object] = {}
    for block in blocks:
        measure = block["measure"]
        figures[f"{block['id']}-values"] = as_json(values_plot(study, measure))
        figures[f"{block['id']}-curves"] = {axis: as_json(curves_plot(study, measure, axis)) for axis in AXES}
        parallel = parallel_plot(study, measure)
        block["parallel"] = parallel is not None
        if parallel is not None:
            figures[f"{block['id']}-parallel"] = as_json(parallel)
    panels = panels_plot(study)
    if panels is not None:
        figures["panels"] = as_json(panels)
    return figures

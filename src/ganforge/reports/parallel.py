"""Parallel coordinates: what variants differ in, against what came of it."""

from collections.abc import Sequence
from math import log10
from typing import TYPE_CHECKING, NamedTuple

from ganforge.reports.measures import Measure, scores
from ganforge.reports.plots import layout, legend_height
from ganforge.reports.study import Study
from ganforge.reports.style import line_styles
from ganforge.reports.variants import ABSENT, distinctions

if TYPE_CHECKING:
    import plotly.graph_objects as go

__all__ = ["parallel_plot"]

_MOST = 8  # axes of settings that fit on a page's width


class Scale(NamedTuple):
    """An axis: where each value lies between 0 and 1, and the labelled places."""

    positions: list[float]
    ticks: dict[float, str]


def scale_of(values: Sequence[str]) -> Scale:
    """Return an axis of numbers, logarithmic where they span two decades, or of words at equal distances."""
    numbers = _numbers(values)
    if numbers is None:
        words = sorted(set(values), key=lambda word: (word == ABSENT, word))
        places = {word: (number + 0.5) / len(words) for number, word in enumerate(words)}
        return Scale([places[value] for value in values], {place: word for word, place in places.items()})
    if min(numbers) > 0 and max(numbers) >= 100 * min(numbers):
        at = _between([log10(number) for number in numbers])
    else:
        at = _between(numbers)
    return Scale(at, dict(zip(at, values, strict=True)))


def _numbers(values: Sequence[str]) -> list[float] | None:
    try:
        return [float(value) for value in values]
    except ValueError:
        return None


def _between(numbers: Sequence[float]) -> list[float]:
    low, high = min(numbers), max(numbers)
    return [0.5 if high == low else (number - low) / (high - low) for number in numbers]


def _settings(study: Study, measure: Measure) -> dict[str, list[str]]:
    """Return the first settings that differ, without those that split variants just as another one does.

    Settings that some variants do not have are parts of an option that is shown itself; they come only if nothing else
    differs.
    """
    differing = distinctions(study.measures[measure])
    shared = {name: values for name, values in differing.items() if ABSENT not in values}
    kept: dict[tuple[int, ...], tuple[str, list[str]]] = {}
    for name, values in (shared or differing).items():
        split = tuple(values.index(value) for value in values)
        kept.setdefault(split, (name, values))
    return dict(list(kept.values())[:_MOST])


def parallel_plot(study: Study, measure: Measure) -> "go.Figure | None":
    """Return one line a run, over the settings that differ to its last value; ``None`` for a single variant."""
    import plotly.graph_objects as go

    settings = _settings(study, measure)
    if not settings:
        return None
    variants = study.measures[measure]
    scales = [scale_of(values) for values in settings.values()]
    runs = [
        (row, seed, value) for row, each in enumerate(variants) for seed, value in scores(each, measure, "last").items()
    ]
    if not runs:
        return None
    outcome = _between([value for _, _, value in runs])
    figure = go.Figure()
    style = line_styles(study.variants)
    for (row, seed, value), end in zip(runs, outcome, strict=True):
        label = variants[row].label
        figure.add_scatter(
            x=list(range(len(scales) + 1)),
            y=[*(scale.positions[row] for scale in scales), end],
            mode="lines+markers",
            line={"color": style[label].colour, "width": 1.5, "dash": style[label].dash[0]},
            marker={"symbol": style[label].marker[0], "size": 6},
            opacity=0.7,
            name=label,
            legendgroup=label,
            showlegend=all(trace.name != label for trace in figure.data),
            hovertemplate=f"seed {seed}: {measure.name} {value:.5g}",
        )
    room = 56 + legend_height(variants)
    _decorate(figure, list(settings), scales, measure, [value for _, _, value in runs], room)
    return figure


def _decorate(
    figure: "go.Figure", names: list[str], scales: list[Scale], measure: Measure, values: list[float], room_above: int
) -> None:
    """Draw the axes with their names and labelled places, below ``room_above`` pixels for the legend."""
    low, high = min(values), max(values)
    middle = {} if low == high else {0.0: f"{low:.4g}", 1.0: f"{high:.4g}"}
    ends = Scale([], middle or {0.5: f"{low:.4g}"})
    hidden = {"visible": False, "fixedrange": True}
    last = len(scales)
    room = max(8, 130 // (last + 1))  # characters between two axes on a page of the usual width
    figure.update_layout(
        layout(
            height=340 + room_above,
            hovermode="closest",
            margin={"l": 40, "r": 90, "t": room_above, "b": 16},
            legend={"orientation": "h", "yanchor": "bottom", "y": 1 + 46 / 324, "x": 0, "maxheight": room_above},
            xaxis={**hidden, "range": [-0.1, last + 0.45]},
            yaxis={**hidden, "range": [-0.05, 1.08]},
        )
    )
    for place, (name, scale) in enumerate(zip([*names, measure.title], [*scales, ends], strict=True)):
        colour = "#1f2933" if place == last else "#9aa5b1"
        figure.add_shape(type="line", x0=place, x1=place, y0=0, y1=1, line={"color": colour, "width": 1}, layer="below")
        _text(figure, place, 1.03, f"<b>{_wrapped(name)}</b>", {"yanchor": "bottom", "xanchor": "center"})
        for at, text in scale.ticks.items():
            fits = text if len(text) <= room else f"{text[: room - 1]}…"
            _text(figure, place, at, fits, {"xanchor": "left", "xshift": 7, "bgcolor": "rgba(255,255,255,0.8)"})


def _wrapped(name: str) -> str:
    """Break long dotted keys."""
    head, _, last = name.rpartition(".")
    return f"{head}.<br>{last}" if head and len(name) > 14 else name


def _text(figure: "go.Figure", x: float, y: float, text: str, more: dict[str, object]) -> None:
    figure.add_annotation(x=x, y=y, text=text, showarrow=False, font={"size": 11}, **more)

"""Interactive plots, by plotly: figures as JSON that a page draws."""

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ganforge.reports.bands import Band, band, panels, seeds
from ganforge.reports.measures import Measure, scores
from ganforge.reports.reading import Series
from ganforge.reports.study import Study
from ganforge.reports.style import LineStyle, line_styles, panel_title
from ganforge.reports.tables import ranking
from ganforge.reports.variants import Variant

if TYPE_CHECKING:
    import plotly.graph_objects as go

__all__ = ["AXES", "as_json", "curves_plot", "panels_plot", "values_plot"]

#: Horizontal axes of learning curves: title, and what its unit is in.
AXES = {"images": ("images seen (thousands)", 1000.0), "seconds": ("minutes of training", 60.0)}

_INK, _RULE = "#1f2933", "#e4e7eb"


def layout(**more: object) -> dict[str, object]:
    """Return the layout that every plot has."""
    axis = {
        "gridcolor": _RULE,
        "linecolor": "#9aa5b1",
        "zeroline": False,
        "ticks": "outside",
        "tickcolor": "#9aa5b1",
        "title": {"font": {"size": 13}},
    }
    return {
        "template": "none",
        "font": {"family": "system-ui, sans-serif", "size": 13, "color": _INK},
        "paper_bgcolor": "#ffffff",
        "plot_bgcolor": "#ffffff",
        "margin": {"l": 64, "r": 16, "t": 24, "b": 56},
        "legend": {"orientation": "h", "yanchor": "bottom", "y": 1.02, "x": 0},
        "xaxis": axis,
        "yaxis": axis,
        **more,
    }


def legend_height(variants: Sequence[Variant]) -> int:
    """Return the pixels that a legend above a plot takes on a page of the usual width."""
    rows, used = 1, 0.0
    for variant in variants:
        width = 46 + 7.2 * len(variant.label)
        rows, used = (rows + 1, width) if used + width > 980 else (rows, used + width)
    return 22 * rows + 8


def as_json(figure: "go.Figure") -> dict[str, object]:
    """Return a figure as plain values."""
    plain: dict[str, object] = json.loads(figure.to_json())
    return plain


def _short(values: Sequence[float], scale: float = 1.0) -> list[float]:
    """Six digits are more than a screen shows."""
    return [float(f"{value / scale:.6g}") for value in values]


def curves_plot(study: Study, measure: Measure, axis: str) -> "go.Figure":
    """Return a metric's learning curves: means, intervals, and each seed as a thin line."""
    import plotly.graph_objects as go

    title, scale = AXES[axis]
    room = 16 + legend_height(study.measures[measure])
    figure = go.Figure(layout=layout(hovermode="x unified", height=400 + room))
    figure.update_layout(margin_t=room, legend={"y": 1 + 6 / 344, "maxheight": room})
    _add_curves(figure, study, study.measures[measure], measure.key, axis, {})
    figure.update_xaxes(title_text=title, unifiedhovertitle_text=f"%{{x:.4~g}} {'kimg' if scale == 1000 else 'min'}")
    figure.update_yaxes(title_text=measure.title)
    return figure


def _add_curves(
    figure: "go.Figure",
    study: Study,
    variants: Sequence[Variant],
    key: tuple[str, str],
    axis: str,
    at: Mapping[str, object],
) -> None:
    """Draw seeds below bands below means."""
    style, scale = line_styles(study.variants), AXES[axis][1]
    drawn = [(variant, band(variant, key)) for variant in variants]
    for variant, _, series in seeds(variants, key):
        figure.add_trace(_seed(variant, series, style[variant.label], axis, scale), **at)
    for variant, mean in drawn:
        if mean is not None and mean.low:
            figure.add_trace(_area(variant, mean, style[variant.label], axis, scale), **at)
    for variant, mean in drawn:
        if mean is not None:
            figure.add_trace(_mean(variant, mean, style[variant.label], axis, scale, first=not at), **at)


def _seed(variant: Variant, series: Series, style: LineStyle, axis: str, scale: float) -> dict[str, object]:
    return {
        "type": "scatter",
        "x": _short(getattr(series, axis), scale),
        "y": _short(series.values),
        "mode": "lines",
        "line": {"color": style.colour, "width": 1},
        "opacity": 0.4,
        "hoverinfo": "skip",
        "showlegend": False,
        "legendgroup": variant.label,
    }


def _area(variant: Variant, mean: Band, style: LineStyle, axis: str, scale: float) -> dict[str, object]:
    clock = _short(getattr(mean, axis), scale)
    red, green, blue = (int(style.colour[start : start + 2], 16) for start in (1, 3, 5))
    return {
        "type": "scatter",
        "x": [*clock, *reversed(clock)],
        "y": [*_short(mean.high), *reversed(_short(mean.low))],
        "mode": "lines",
        "line": {"width": 0},
        "fill": "toself",
        "fillcolor": f"rgba({red},{green},{blue},0.13)",
        "hoverinfo": "skip",
        "showlegend": False,
        "legendgroup": variant.label,
    }


def _mean(variant: Variant, mean: Band, style: LineStyle, axis: str, scale: float, *, first: bool) -> dict[str, object]:
    widths = zip(mean.high, mean.mean, strict=False)  # no interval with one seed
    margins = [f" ± {high - middle:.3g}" for high, middle in widths] or ""
    few = first and len(mean.images) <= 40
    return {
        "type": "scatter",
        "x": _short(getattr(mean, axis), scale),
        "y": _short(mean.mean),
        "name": variant.label,
        "legendgroup": variant.label,
        "showlegend": first,
        "mode": "lines+markers" if few else "lines",
        "line": {"color": style.colour, "width": 2, "dash": style.dash[0]},
        "marker": {"symbol": style.marker[0], "size": 7},
        "text": margins,
        "hovertemplate": f"%{{y:.5~g}}%{{text}} (n={mean.runs})",
    }


def values_plot(study: Study, measure: Measure) -> "go.Figure":
    """Return last values: seeds as points, mean and 95 % interval, the best variant on top."""
    import plotly.graph_objects as go

    places = ranking(study, measure)
    figure = go.Figure(layout=layout(hovermode="closest", height=110 + 44 * len(places), showlegend=False))
    for row, place in enumerate(places):
        style = line_styles(study.variants)[place.variant.label]
        points = scores(place.variant, measure, "last")
        figure.add_scatter(
            x=_short(list(points.values())),
            y=[row + 0.2] * len(points),
            mode="markers",
            marker={"symbol": style.marker[0], "size": 6, "color": style.colour, "opacity": 0.55},
            text=[f"seed {seed}" for seed in points],
            hovertemplate="%{text}: %{x:.5~g}<extra></extra>",
        )
        margin = place.last.margin
        figure.add_scatter(
            x=[place.last.mean],
            y=[row],
            mode="markers",
            marker={"symbol": style.marker[0], "size": 10, "color": style.colour},
            error_x=None if margin is None else {"type": "data", "array": [margin], "width": 5, "color": style.colour},
            name=place.variant.label,
            hovertemplate=f"mean %{{x:.5~g}}{'' if margin is None else f' ± {margin:.3g}'} (n={place.last.n})",
        )
    labels = [place.variant.label for place in places]
    figure.update_yaxes(
        tickvals=list(range(len(places))), ticktext=labels, range=[len(places) - 0.5, -0.5], automargin=True, ticks=""
    )
    figure.update_xaxes(title_text=f"{measure.title}, last value")
    return figure


def panels_plot(study: Study) -> "go.Figure | None":
    """Return what players log, one a panel; ``None`` if nothing was logged."""
    from plotly.subplots import make_subplots

    names = panels(study.variants)
    if not names:
        return None
    columns = min(3, len(names))
    rows = -(-len(names) // columns)
    titles = [panel_title(name) for name in names]
    gap = min(0.28 / rows, 0.1)
    figure = make_subplots(rows, columns, subplot_titles=titles, vertical_spacing=gap, horizontal_spacing=0.06)
    for number, name in enumerate(names):
        at = {"row": number // columns + 1, "col": number % columns + 1}
        _add_curves(figure, study, study.variants, (name, ""), "images", at)
    named: set[str] = set()
    for trace in figure.data:
        if trace.name and trace.name not in named:
            trace.showlegend = True
            named.add(trace.name)
    room = 40 + legend_height(study.variants)
    common = layout(hovermode="x", height=240 * rows + 56 + room)
    axis = common.pop("xaxis")
    common.pop("yaxis")
    figure.update_layout(common)
    figure.update_layout(legend={"y": 1 + 30 / (240 * rows), "maxheight": room}, margin={"t": room})
    figure.update_xaxes(axis)
    figure.update_yaxes(axis)
    figure.update_xaxes(title_text="kimg", row=rows)
    figure.update_annotations(font_size=12)
    return figure

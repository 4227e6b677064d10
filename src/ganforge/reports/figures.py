"""Figures for papers: PNG and PDF by matplotlib."""

import re
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ganforge.reports.bands import band, panels, seeds
from ganforge.reports.grids import Grid
from ganforge.reports.measures import Measure, scores
from ganforge.reports.study import Study
from ganforge.reports.style import line_styles, panel_title, without_formulas
from ganforge.reports.tables import ranking
from ganforge.reports.variants import Variant

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["curves_figure", "grids_figure", "names", "panels_figure", "save_figures", "values_figure"]


def _figure(width: float, height: float) -> "Figure":
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def curves_figure(study: Study, measure: Measure) -> "Figure":
    """Draw a metric's learning curves against images and against time: means, intervals, and seeds as thin lines."""
    figure = _figure(9.6, 3.9)
    for axes, axis in zip(figure.subplots(1, 2, sharey=True), ("images", "seconds"), strict=True):
        _curves(axes, study, study.measures[measure], measure.key, axis)
        axes.set_xlabel("images seen (thousands)" if axis == "images" else "minutes of training")
    figure.axes[0].set_ylabel(measure.title)
    figure.suptitle(f"{measure.title} ({measure.how})", fontsize="medium")
    _legend(figure)
    return figure


def _curves(axes: "Axes", study: Study, variants: Sequence[Variant], key: tuple[str, str], axis: str) -> None:
    scale = 1000.0 if axis == "images" else 60.0
    for variant, _, series in seeds(variants, key):
        clock = [value / scale for value in getattr(series, axis)]
        axes.plot(
            clock, series.values, color=line_styles(study.variants)[variant.label].colour, linewidth=0.6, alpha=0.3
        )
    for variant in variants:
        style = line_styles(study.variants)[variant.label]
        mean = band(variant, key)
        if mean is None:
            continue
        clock = [value / scale for value in getattr(mean, axis)]
        if mean.low:
            axes.fill_between(clock, mean.low, mean.high, color=style.colour, alpha=0.15, linewidth=0)
        marker = style.marker[1] if len(clock) <= 40 else None
        axes.plot(
            clock, mean.mean, style.dash[1], color=style.colour, marker=marker, markersize=4, label=f"{variant.label}"
        )
    _plain_axes(axes)


def _plain_axes(axes: "Axes") -> None:
    axes.grid(alpha=0.25, linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)


def _legend(figure: "Figure") -> None:
    """Name every variant once, below the panels."""
    entries: dict[str, Artist] = {}
    for axes in figure.axes:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            entries.setdefault(label, handle)
    columns = 4 if max(map(len, entries), default=0) < 28 else 2
    if entries:
        figure.legend(
            entries.values(), entries.keys(), loc="outside lower center", ncols=columns, frameon=False, fontsize="small"
        )


def values_figure(study: Study, measure: Measure) -> "Figure":
    """Draw last values: each seed as a small point, mean and 95 % interval beside them; the best variant on top."""
    places = ranking(study, measure)
    figure = _figure(7.2, 1.1 + 0.42 * len(places))
    axes = figure.subplots()
    for row, place in enumerate(places):
        style = line_styles(study.variants)[place.variant.label]
        points = list(scores(place.variant, measure, "last").values())
        axes.plot(points, [row + 0.18] * len(points), style.marker[1], color=style.colour, alpha=0.5, markersize=4)
        margin = place.last.margin
        axes.errorbar(place.last.mean, row, xerr=margin, fmt=style.marker[1], color=style.colour, capsize=3)
    axes.set_yticks(range(len(places)), [place.variant.label for place in places])
    axes.set(ylim=(len(places) - 0.5, -0.5), xlabel=f"{measure.title} ({measure.how}), last value")
    _plain_axes(axes)
    return figure


def panels_figure(study: Study) -> "Figure":
    """Draw what players log: losses, logits and gradient norms, one a panel; something was logged."""
    logged = panels(study.variants)
    columns = min(3, len(logged))
    rows = -(-len(logged) // columns)
    figure = _figure(4.0 * columns, 2.6 * rows + 0.4)
    grid = figure.subplots(rows, columns, squeeze=False).flatten()
    for axes, name in zip(grid, logged, strict=False):
        _curves(axes, study, study.variants, (name, ""), "images")
        axes.set_title(panel_title(name), fontsize="small")
        axes.set_xlabel("kimg", fontsize="small")
        for line in axes.get_lines():
            line.set_marker("")
    for axes in grid[len(logged) :]:
        axes.set_axis_off()
    _legend(figure)
    return figure


def grids_figure(grids: Sequence[Grid]) -> "Figure":
    """Lay the variants' samples, of one variant or more, side by side."""
    columns = min(3, len(grids))
    rows = -(-len(grids) // columns)
    figure = _figure(3.4 * columns, 3.7 * rows)
    panes = figure.subplots(rows, columns, squeeze=False).flatten()
    for axes, each in zip(panes, grids, strict=False):
        axes.imshow(each.picture, interpolation="nearest")
        axes.set_title(each.caption, fontsize="x-small")
    for axes in panes:
        axes.set_axis_off()
    return figure


def names(study: Study, grids: Sequence[Grid], formats: Sequence[str]) -> list[str]:
    """Return the names of the files that :func:`save_figures` writes in ``formats``: ``png``, ``pdf``."""
    return [f"{name}.{suffix}" for suffix in formats for name, _ in _figures(study, grids)]


def save_figures(study: Study, grids: Sequence[Grid], folder: Path, files: Sequence[str]) -> list[Path]:
    """Write figures to those ``files`` of ``folder`` that :func:`names` has named, and return the paths."""
    written: list[Path] = []
    for name, draw in _figures(study, grids):
        figure = None
        for suffix in [file.removeprefix(f"{name}.") for file in files if Path(file).stem == name]:
            figure = figure or without_formulas(draw())
            path = folder / f"{name}.{suffix}"
            temporary = path.with_name(f".{path.name}")
            figure.savefig(temporary, dpi=160, format=suffix)
            temporary.replace(path)
            written.append(path)
    return written


def _file_names(study: Study) -> dict[Measure, str]:
    """Return a name for each measure's files; a metric's name comes from a file, which may be another user's."""
    names: dict[Measure, str] = {}
    for measure in study.measures:
        same = study.of_metric(measure.name)
        name = re.sub(r"[^\w-]+", "_", measure.name)
        if len(same) > 1:
            name = f"{name}_{same.index(measure) + 1}"
        while name in names.values():
            name += "_"
        names[measure] = name
    return names


def _figures(study: Study, grids: Sequence[Grid]) -> "Iterator[tuple[str, Callable[[], Figure]]]":
    """Yield each figure's name and what draws it."""
    for measure, name in _file_names(study).items():
        yield f"curves_{name}", partial(curves_figure, study, measure)
        if ranking(study, measure):
            yield f"values_{name}", partial(values_figure, study, measure)
    if panels(study.variants):
        yield "panels", partial(panels_figure, study)
    if grids:
        yield "samples", partial(grids_figure, grids)

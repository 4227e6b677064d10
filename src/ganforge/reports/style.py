"""Colours, dashes and words that figures on paper and on screen share."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from ganforge.reports.variants import Variant

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["LineStyle", "line_styles", "panel_title", "without_formulas"]

#: Wong 2011 (Nature Methods 8:441): distinguishable with any colour vision; its yellow is left out, too pale on white.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#b8860b", "#404040")

#: Plotly's and matplotlib's names of the same line, and of the same marker.
_DASHES = (("solid", "-"), ("dash", "--"), ("dot", ":"), ("dashdot", "-."))
_MARKERS = (("circle", "o"), ("square", "s"), ("diamond", "D"), ("triangle-up", "^"), ("x", "X"))


class LineStyle(NamedTuple):
    """How a variant is drawn, everywhere alike."""

    colour: str
    dash: tuple[str, str]
    marker: tuple[str, str]


def line_styles(variants: Sequence[Variant]) -> dict[str, LineStyle]:
    """Return each label's line style; dashes change after seven colours, markers not in step with colours."""
    return {
        variant.label: LineStyle(
            _COLOURS[number % len(_COLOURS)],
            _DASHES[number // len(_COLOURS) % len(_DASHES)],
            _MARKERS[number % len(_MARKERS)],
        )
        for number, variant in enumerate(variants)
    }


def without_formulas(figure: "Figure") -> "Figure":
    """Return the figure with every text shown as it is written: what stands between two dollars is no formula."""
    from matplotlib.table import Cell
    from matplotlib.text import Text

    cells = [cell.get_text() for cell in figure.findobj(Cell) if isinstance(cell, Cell)]
    for text in [*figure.findobj(Text), *cells]:
        if isinstance(text, Text):
            text.set_parse_math(False)
    return figure


def panel_title(name: str) -> str:
    """Return ``generator/gradient_norm`` as ``generator: gradient norm``."""
    return name.replace("/", ": ").replace("_", " ")

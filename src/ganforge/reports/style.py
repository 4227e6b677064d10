"""Colours, dashes and words that figures on paper and on screen share."""

from collections.abc import Sequence
from typing import NamedTuple

from ganforge.reports.variants import Variant

__all__ = ["Look", "looks", "panel_title"]

#: Wong 2011 (Nature Methods 8:441): told apart with any colour vision; its yellow is left out, too pale on white.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#b8860b", "#404040")

#: Plotly's and matplotlib's names of the same line, and of the same marker.
_DASHES = (("solid", "-"), ("dash", "--"), ("dot", ":"), ("dashdot", "-."))
_MARKERS = (("circle", "o"), ("square", "s"), ("diamond", "D"), ("triangle-up", "^"), ("x", "X"))


class Look(NamedTuple):
    """How a variant is drawn, everywhere alike."""

    colour: str
    dash: tuple[str, str]
    marker: tuple[str, str]


def looks(variants: Sequence[Variant]) -> dict[str, Look]:
    """Return a look a label; after seven colours the dash changes, and markers never go with the colours in step."""
    return {
        variant.label: Look(
            _COLOURS[number % len(_COLOURS)],
            _DASHES[number // len(_COLOURS) % len(_DASHES)],
            _MARKERS[number % len(_MARKERS)],
        )
        for number, variant in enumerate(variants)
    }


def panel_title(name: str) -> str:
    """Return ``generator/gradient_norm`` as ``generator: gradient norm``."""
    return name.replace("/", ": ").replace("_", " ")

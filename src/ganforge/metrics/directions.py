"""Directions of values, as their metrics state them. Imports no torch: comparisons read files only."""

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Literal

__all__ = ["Better", "Direction", "directions"]

#: Which way a value is better.
Direction = Literal["greater", "less"]

#: Directions by the names of values, or by patterns of names (``swd_*``); ``None``: neither way by itself.
Better = Mapping[str, Direction | None]


def directions(better: Better, names: Iterable[str]) -> dict[str, Direction | None]:
    """Return which way values are better, by name, without those that come beside another one, such as its spread.

    Args:
        better: of the metrics that gave the values.
        names: of the values, perhaps behind a sampler's or a protocol's name: ``a_to_b/fid``.
    """
    found: dict[str, Direction | None] = {}
    for name in names:
        short = name.rpartition("/")[2]
        for pattern, direction in better.items():
            if fnmatchcase(short, pattern):
                found.setdefault(name, direction)
    return found

"""A run's ``metrics.csv``, read in whatever state it was left."""

import csv
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

__all__ = ["Curve", "Row", "read_curves", "read_rows"]

Curve = tuple[list[float], list[float]]


class Row(NamedTuple):
    """One logged value; see :class:`ganforge.loggers.table.TableLogger`."""

    images_seen: int
    seconds: float
    name: str
    value: float
    protocol: str


def read_rows(path: Path) -> tuple[list[Row], int]:
    """Read a run's ``metrics.csv``, whatever state a killed process or a full disk left it in.

    Returns:
        The rows that are whole, and the number of those that are not: cut short, or not of the table's form.
    """
    if not path.is_file():
        return [], 0
    lines = path.read_bytes().decode("utf-8", "replace").splitlines(keepends=True)
    rows: list[Row] = []
    broken = 0
    for fields in _fields(lines[1:]):
        try:
            images, seconds, name, value, protocol = fields
            if not 0 <= int(images) < 2**63:
                raise ValueError(images)
            rows.append(Row(int(images), float(seconds), name, float(value), protocol))
        except ValueError:
            broken += 1
    return rows, broken


def _fields(lines: list[str]) -> Iterator[list[str]]:
    """Split lines; one without an end, which was being written, comes back as nothing and counts as broken."""
    for line in lines:
        whole = line.endswith("\n") and "\0" not in line and "\ufffd" not in line and len(line) < 10_000
        yield next(csv.reader([line]), []) if whole else []


def read_curves(path: Path) -> dict[str, Curve]:
    """Read a run's ``metrics.csv`` into ``{name: (images seen, values)}``; what is not whole is left out."""
    curves: dict[str, Curve] = defaultdict(lambda: ([], []))
    for row in read_rows(path)[0]:
        curves[row.name][0].append(row.images_seen)
        curves[row.name][1].append(row.value)
    return dict(curves)

"""Which class each listed image is of: by labels.csv, or by its folder."""

import csv
import io

from ganforge.core.console import say
from ganforge.core.errors import GanforgeError
from ganforge.core.files import shown
from ganforge.data.listing import LABELS_FILE, Listing

__all__ = ["class_labels"]

_COLUMNS = ["file", "label"]

#: The largest label; ImageNet-21k's classes fit, and dates, years with months and numbers of persons do not.
_LARGEST_LABEL = 65_535


def class_labels(listing: Listing, least: int = 1) -> list[int] | None:
    """Return the class of every image, in the listing's order; ``None`` if nothing says it.

    ``labels.csv`` (columns ``file`` and ``label``) says it, or else the direct subfolder that an image lies in. Names
    of subfolders that are all whole numbers are the labels themselves; others are numbered from 0 in alphabetical
    order. Subfolders without images keep their numbers, which is said: a number depends on the folders' names alone,
    so that a generated set that lacks a class still agrees with the real one.

    Args:
        listing: the images.
        least: subfolders that make classes; of fewer nothing is read.

    Raises:
        GanforgeError: if ``labels.csv`` lacks an image or holds no whole numbers, or folders' numbers are impossible.
    """
    table = _table(listing)
    if table is not None:
        return _from_table(listing, table)
    if not listing.is_in_subfolders or len(listing.folders) < least:
        return None
    classes, filled = _numbered(listing), {parts[0] for parts in listing.files}
    empty = [f"{shown(name)} ({number})" for name, number in classes.items() if name not in filled]
    if empty:
        more = f" and {len(empty) - 5:,} more" if len(empty) > 5 else ""
        say(f"Class folders without an image keep their numbers: {', '.join(empty[:5])}{more}.")
    return [classes[parts[0]] for parts in listing.files]


def _numbered(listing: Listing) -> dict[str, int]:
    names = sorted(listing.folders)
    if not all(name.isascii() and name.isdecimal() for name in names):
        return {name: number for number, name in enumerate(names)}
    classes = {name: int(name) for name in sorted(names, key=int)}
    if len(set(classes.values())) < len(classes):
        raise GanforgeError(
            f"'{shown(listing.place)}' holds class folders whose names are the same number, among {', '.join(names)}: "
            "rename them."
        )
    if classes and max(classes.values()) > _LARGEST_LABEL:
        raise GanforgeError(
            f"'{shown(listing.place)}' holds class folders named by numbers up to {max(classes.values())}, and names "
            f"that are numbers are the labels, at most {_LARGEST_LABEL:,}: rename the folders, from 0 on or with a "
            "letter in front to have them numbered in alphabetical order."
        )
    return classes


def _table(listing: Listing) -> list[list[str]] | None:
    """Return the rows of a ``labels.csv`` with the columns of ours; of others nothing is read."""
    if listing.labels is None:
        return None
    try:
        with listing.labels.open("rb") as handle:
            text = handle.read().decode("utf-8-sig", "surrogateescape")
        rows = [row for row in csv.reader(io.StringIO(text), strict=True) if row]
    except (OSError, csv.Error) as error:
        raise GanforgeError(f"'{shown(str(listing.labels))}' cannot be read ({error}): repair or remove it.") from error
    return rows[1:] if rows and rows[0] == _COLUMNS else None


def _from_table(listing: Listing, rows: list[list[str]]) -> list[int]:
    place = f"'{LABELS_FILE}' in '{shown(listing.place)}'"
    labels: dict[str, int] = {}
    for row in rows:
        value = row[1].strip() if len(row) == 2 else ""
        if not (value.isascii() and value.isdecimal() and int(value) <= _LARGEST_LABEL):
            raise GanforgeError(
                f"{place} holds the row {row}, which is not a file and a class from 0 to {_LARGEST_LABEL:,}: correct "
                "it, or rename the file to go without labels."
            )
        labels[row[0]] = int(value)
    names = ["/".join(parts) for parts in listing.files]
    missing = [name for name in names if name not in labels]
    if missing:
        raise GanforgeError(
            f"{place} has no label for {len(missing):,} of {len(names):,} images, such as '{shown(missing[0])}': add "
            "them, or rename the file to go without labels."
        )
    return [labels[name] for name in names]

"""Tables of text for the console. Imports nothing heavy."""

from collections.abc import Collection, Sequence

__all__ = ["text_table"]


def text_table(rows: Sequence[Sequence[str]], left: Collection[int] = ()) -> list[str]:
    """Return a line a row with its cells in columns, two spaces apart.

    Args:
        rows: of equal length, the header among them.
        left: numbers of the columns that are aligned to the left; the others are to the right, as numbers are.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    aligned = (
        [
            cell.ljust(width) if column in left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        for row in rows
    )
    return ["  ".join(cells).rstrip() for cells in aligned]

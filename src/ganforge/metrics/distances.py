"""Distances between rows of features, a block at a time."""

from collections.abc import Iterator

import torch
from torch import Tensor

__all__ = ["distance_blocks", "nearest", "neighbour_radii"]

#: Distances held at once: 128 MiB of float32.
BLOCK = 1 << 25


def distance_blocks(rows: Tensor, columns: Tensor) -> Iterator[Tensor]:
    """Yield ``(b, m)`` Euclidean distances of consecutive blocks of ``(n, d)`` rows to all ``(m, d)`` columns.

    Products are full float32 whatever ``torch.set_float32_matmul_precision`` is: with TF32 a distance between near
    neighbours, which is a difference of large squares, would be noise.
    """
    for block in rows.split(max(1, BLOCK // len(columns))):
        before = torch.get_float32_matmul_precision()
        torch.set_float32_matmul_precision("highest")
        try:
            distances = torch.cdist(block, columns)
        finally:
            torch.set_float32_matmul_precision(before)
        yield distances


def neighbour_radii(rows: Tensor, neighbours: int) -> Tensor:
    """Return ``(n,)`` distances of each row to its ``neighbours``-th nearest other row."""
    blocks = distance_blocks(rows, rows)
    return torch.cat([block.topk(neighbours + 1, largest=False).values[:, -1] for block in blocks])


def nearest(rows: Tensor, columns: Tensor) -> tuple[Tensor, Tensor]:
    """Return ``(n,)`` distances to the nearest column and ``(n,)`` its number.

    The distance is computed again from the difference of the two, so that a copy is at distance 0.
    """
    numbers = torch.cat([block.argmin(1) for block in distance_blocks(rows, columns)])
    parts = zip(rows.split(4096), numbers.split(4096), strict=True)
    return torch.cat([(part - columns[chosen]).norm(dim=1) for part, chosen in parts]), numbers

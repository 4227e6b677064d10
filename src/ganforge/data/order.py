"""The order in which batches are drawn: a function of the seed and the position alone."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from ganforge.core.errors import GanforgeError
from ganforge.core.rng import torch_generator
from ganforge.data.columns import Batch, Column, Split

__all__ = ["BatchOrder", "TrainingBatches", "decoded"]

_TRANSFORM = "transform"


class BatchOrder(Sampler[tuple[int, Tensor]]):
    """Endless batches; which samples are in a batch is a function of the seed and the batch's position alone.

    The stream is one permutation of the dataset after another. A batch at ``position`` holds the ``batch_size`` samples
    that follow it in the stream (it may span two permutations), and each rank takes every ``world_size``-th of them:
    the same batches on any number of ranks, no sample twice in an epoch, and resuming replays nothing.

    Args:
        size: samples in the dataset.
        batch_size: samples in a batch over all ranks; a multiple of ``world_size``.
        seed: of the order.
        start: gives the position to begin at, in samples, when iteration begins.
        rank: this process's number.
        world_size: number of processes.
        column: name of an unpaired column, or of anything else that has an order of its own.
    """

    def __init__(
        self,
        size: int,
        batch_size: int,
        seed: int,
        start: Callable[[], int] = lambda: 0,
        rank: int = 0,
        world_size: int = 1,
        column: str | None = None,
    ) -> None:
        if batch_size < 1 or batch_size % world_size:
            raise GanforgeError(
                f"data.batch_size is over all processes and must be a multiple of their number, {world_size}; "
                f"got {batch_size}."
            )
        self.size, self.batch_size, self.seed = size, batch_size, seed
        self.start, self.rank, self.world_size = start, rank, world_size
        self.column = column
        self._purpose = ("order",) if column is None else ("order", column)
        self._cached: tuple[int, Tensor] | None = None

    def of_column(self, name: str, size: int) -> "BatchOrder":
        """Return the order of an unpaired column with ``size`` samples, batch by batch beside this one."""
        name = name if self.column is None else f"{self.column}/{name}"
        return BatchOrder(size, self.batch_size, self.seed, self.start, self.rank, self.world_size, name)

    def _permutation(self, epoch: int) -> Tensor:
        if self._cached is None or self._cached[0] != epoch:
            order = torch.randperm(self.size, generator=torch_generator(self.seed, *self._purpose, epoch))
            self._cached = epoch, order
        return self._cached[1]

    def batch(self, position: int) -> Tensor:
        """Return this rank's indices of the batch at ``position``."""
        parts, taken = [], 0
        while taken < self.batch_size:
            epoch, offset = divmod(position + taken, self.size)
            parts.append(self._permutation(epoch)[offset : offset + self.batch_size - taken])
            taken += len(parts[-1])
        return torch.cat(parts)[self.rank :: self.world_size]

    def __iter__(self) -> Iterator[tuple[int, Tensor]]:
        position = self.start()
        while True:
            yield position, self.batch(position)
            position += self.batch_size


class TrainingBatches(Dataset[Batch]):
    """Whole batches of stored samples by (position, indices).

    How samples are transformed (mirrored, ...) is decided here, by seed and position, and done on the device by
    :func:`decoded`: the decision travels as a given column, one for all paired columns, one for each unpaired one.

    Args:
        split: the training split.
        order: of its ``data``; unpaired columns follow orders derived from it.
    """

    def __init__(self, split: Split, order: BatchOrder) -> None:
        self.split, self.seed = split, order.seed
        own = {} if split.paired else split.given
        self.orders = {name: order.of_column(name, len(column)) for name, column in own.items()}

    def __getitem__(self, at: tuple[int, Tensor]) -> Batch:
        position, indices = at
        given = self._chosen(_TRANSFORM, self.split.data, indices, ("flip", position))
        for name, column in self.split.given.items():
            rows = self.orders[name].batch(position) if name in self.orders else indices
            given[name] = column[rows]
            if name in self.orders:
                given |= self._chosen(f"{name}/{_TRANSFORM}", column, rows, ("flip", name, position))
        return Batch(self.split.data[indices], given)

    def _chosen(self, key: str, column: Column, rows: Tensor, purpose: tuple[str | int, ...]) -> dict[str, Tensor]:
        if not column.modality.is_transformed:
            return {}
        return {key: column.modality.choose(len(rows), torch_generator(self.seed, *purpose, int(rows[0])))}


def decoded(batch: Batch, split: Split) -> Batch:
    """Return a batch of :class:`TrainingBatches`, on any device, as networks see it: decoded and transformed."""

    def see(name: str, column: Column, stored: Tensor) -> Tensor:
        samples = column.modality.decode(stored)
        choice = batch.given.get(_TRANSFORM if split.paired or column is split.data else f"{name}/{_TRANSFORM}")
        return samples if choice is None else column.modality.transform(samples, choice)

    given = {name: see(name, column, batch.given[name]) for name, column in split.given.items()}
    return Batch(see("data", split.data, batch.data), given)

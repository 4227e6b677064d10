"""A dataset as columns of samples, and one batch of them."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple, Union

import numpy as np
import torch
from torch import Tensor

from ganforge.core.errors import GanforgeError
from ganforge.data.modality import Labels, Modality

__all__ = [
    "DATA",
    "LABEL",
    "SOURCE",
    "TEXT",
    "UNSEEN",
    "Batch",
    "Column",
    "Loaded",
    "Split",
    "Splits",
    "heldout_count",
    "labelled",
]

#: The name of the column that the discriminator calls real, where columns are named.
DATA = "data"

#: The given column that holds class labels, int64.
LABEL = "label"

#: The given column that a translation is made from.
SOURCE = "source"

#: The given column that holds texts.
TEXT = "text"

#: The given column that is 1 where a combination is one that training never shows.
UNSEEN = "unseen"


#: What a training step takes: a batch, or what a plain DataLoader gives.
Loaded = Union["Batch", Tensor, Sequence[Tensor]]


class Batch(NamedTuple):
    """One batch: samples and the columns that go with them.

    Attributes:
        data: ``(n, ...)``, what the discriminator calls real; as stored on the way to the device, then decoded.
        given: columns that go with it, by name (``label``, ``source``, ``text``, ...), ``(n, ...)`` each.
    """

    data: Tensor
    given: Mapping[str, Tensor] = {}

    @classmethod
    def of(cls, loaded: "Loaded") -> "Batch":
        """Return what a DataLoader gives as a batch: itself, a tensor of samples, or such a tensor with class labels.

        Raises:
            GanforgeError: for anything else, and for samples that are no floats.
        """
        if isinstance(loaded, Batch):
            return loaded
        columns = [loaded] if isinstance(loaded, Tensor) else list(loaded)
        if len(columns) not in (1, 2) or not all(isinstance(column, Tensor) for column in columns):
            raise GanforgeError(
                f"A DataLoader gave a {type(loaded).__name__} that is neither samples nor (samples, labels): make it "
                "give tensors, or a ganforge.data.columns.Batch."
            )
        data, *labels = columns
        if not data.is_floating_point():
            raise GanforgeError(
                f"A DataLoader gave samples of {data.dtype}, and networks see floats: bring images to [-1, 1], as "
                "images / 127.5 - 1 does."
            )
        return cls(data, {LABEL: labels[0].long()} if labels else {})

    @property
    def label(self) -> Tensor | None:
        """``(n,)`` int64 classes, or ``None``."""
        return self.given.get(LABEL)

    def map(self, function: Callable[[Tensor], Tensor]) -> "Batch":
        """Return the batch with ``function`` applied to every column."""
        return Batch(function(self.data), {name: function(column) for name, column in self.given.items()})

    def split(self, parts: int) -> "list[Batch]":
        """Cut into ``parts`` batches of equal size (the last may be smaller)."""
        if parts == 1:
            return [self]
        given = {name: column.chunk(parts) for name, column in self.given.items()}
        return [
            Batch(data, {name: chunks[number] for name, chunks in given.items()})
            for number, data in enumerate(self.data.chunk(parts))
        ]


@dataclass(frozen=True)
class Column:
    """Samples of one kind, in the form in which they are stored.

    Attributes:
        values: ``(m, ...)``, in memory or a memory-mapped file.
        modality: what they are, and how networks see them.
        identity: hash of the content where that is known without reading it all (a decoded cache's pixels).
        rows: which of ``values`` belong to the column, ``(n,)``; ``None`` for all.
    """

    values: Tensor | np.ndarray
    modality: Modality
    identity: str | None = None
    rows: Tensor | None = None

    def __len__(self) -> int:
        return len(self.values if self.rows is None else self.rows)

    def __getitem__(self, indices: Tensor) -> Tensor:
        """Return the samples at ``indices`` as they are stored."""
        if self.rows is not None:
            indices = self.rows[indices]
        if isinstance(self.values, Tensor):
            return self.values[indices]
        return torch.from_numpy(np.ascontiguousarray(self.values[indices.numpy()]))

    def read(self) -> Tensor:
        """Return all samples as they are stored."""
        return self[torch.arange(len(self))]

    def take(self, rows: Tensor, identity: str | None = None) -> "Column":
        """Return the column of the samples at ``rows``, without copying; ``identity`` is that of the selection."""
        chosen = rows if self.rows is None else self.rows[rows]
        return Column(self.values, self.modality, identity, chosen)

    @cached_property
    def fingerprint(self) -> str:
        """A hash that changes when any sample does, and then alone."""
        if self.identity is not None:
            return self.identity
        shape = (len(self), *self.values.shape[1:])
        digest = hashlib.blake2b(str(shape).encode(), digest_size=16)
        for rows in torch.arange(len(self)).split(65536):
            digest.update(self[rows].contiguous().numpy().data)
        return digest.hexdigest()


@dataclass(frozen=True)
class Split:
    """One part of a dataset.

    Attributes:
        data: what the discriminator calls real.
        given: columns that go with it, by name.
        paired: whether row ``k`` of every column belongs to row ``k`` of ``data``; unpaired columns have
            any length, and are drawn in an order of their own.
    """

    data: Column
    given: Mapping[str, Column] = field(default_factory=dict)
    paired: bool = True

    def __len__(self) -> int:
        return len(self.data)

    @cached_property
    def label(self) -> Tensor | None:
        """``(n,)`` int64 classes of all rows, or ``None``."""
        return self.given[LABEL].read() if LABEL in self.given else None

    def column(self, name: str) -> Column:
        """Return a column by its name, ``data`` for the data themselves.

        Raises:
            KeyError: if there is none of that name.
        """
        return self.data if name == DATA else self.given[name]

    def towards(self, target: str | None) -> "Split":
        """Return the split whose ``data`` is the given column ``target``; itself for ``None``.

        Other columns stay where they are paired, and are left out where they are not.

        Raises:
            GanforgeError: if there is no such column.
        """
        if target is None:
            return self
        if target not in self.given:
            raise GanforgeError(f"The dataset has no column '{target}', which samples are to be compared with.")
        given = {name: column for name, column in self.given.items() if name != target} if self.paired else {}
        return Split(self.given[target], given, self.paired)

    def batch(self, rows: Tensor) -> Batch:
        """Return the samples at ``rows`` as they are stored; of unpaired columns those at ``rows`` modulo length."""
        given = {name: column[rows % len(column)] for name, column in self.given.items()}
        return Batch(self.data[rows], given)

    def take(self, rows: Tensor, identity: str | None = None) -> "Split":
        """Return the split of ``rows`` of every column, which are paired."""
        given = {name: column.take(rows) for name, column in self.given.items()}
        return Split(self.data.take(rows, identity), given)


@dataclass(frozen=True)
class Splits:
    """A dataset's two parts: what models train on, and what they never see."""

    train: Split
    heldout: Split


def labelled(data: Column, labels: Tensor | None) -> Split:
    """Return the split of ``data`` with ``(n,)`` int64 class labels, or of ``data`` alone."""
    return Split(data, {} if labels is None else {LABEL: Column(labels, Labels(int(labels.max()) + 1))})


def heldout_count(total: int, share: float) -> int:
    """Return how many of ``total`` samples are held out: a share, but at least one, with one left to train on."""
    return min(max(1, round(total * share)), max(0, total - 1))

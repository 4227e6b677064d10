"""Conditions of a model: from a batch, or drawn for sampling."""

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor

from ganforge.core.annotations import Count
from ganforge.core.errors import GanforgeError
from ganforge.data.columns import DATA, LABEL, Batch, Column

__all__ = ["Conditioning", "Given", "Label"]


class Conditioning(ABC):
    """Turns a batch into the tensor that networks receive as ``condition``.

    Attributes:
        key: the given column that conditions are from.
    """

    key: str

    @abstractmethod
    def __call__(self, batch: Batch) -> Tensor:
        """Return the condition of each image of the batch, ``(n, ...)``."""

    @abstractmethod
    def sample(self, n: int, *, generator: torch.Generator | None, device: torch.device) -> Tensor:
        """Draw ``n`` conditions for sampling without data."""

    def bind(self, heldout: Callable[[str], Column]) -> None:  # noqa: B027 - most need no data
        """Take the dataset's held-out columns by name, from which conditions may be drawn; called before sampling."""


class Label(Conditioning):
    """Class labels, int64 ``(n,)``; drawn uniformly over classes for sampling.

    Args:
        classes: number of classes; ``None`` for a dataset without labels, which is refused.
    """

    key = LABEL

    def __init__(self, classes: Count | None) -> None:
        if classes is None:
            raise GanforgeError(
                "conditioning=label needs class labels, and data has none (data.classes is null): choose a labelled "
                "dataset, or conditioning=none."
            )
        self.classes = classes

    def __call__(self, batch: Batch) -> Tensor:
        """See :class:`Conditioning`."""
        if batch.label is None:
            raise GanforgeError("conditioning=label needs labels, and this batch has none: choose conditioning=none.")
        return batch.label

    def sample(self, n: int, *, generator: torch.Generator | None, device: torch.device) -> Tensor:
        """See :class:`Conditioning`."""
        return torch.randint(self.classes, (n,), generator=generator, device=device)


class Given(Conditioning):
    """A column of the dataset, as networks see it; drawn from the held-out split for sampling.

    Args:
        key: the column's name: ``source``, ``text``, ``vector``, ...; ``data`` for the data themselves, as where two
            domains are translated into each other.
    """

    def __init__(self, key: str) -> None:
        self.key = key
        self._heldout: Callable[[str], Column] | None = None

    def __call__(self, batch: Batch) -> Tensor:
        """See :class:`Conditioning`."""
        if self.key == DATA:
            return batch.given.get(DATA, batch.data)
        if self.key not in batch.given:
            there = ", ".join(sorted(batch.given)) or "none"
            raise GanforgeError(
                f"conditioning=given needs the dataset's column '{self.key}', and it has {there}: choose another "
                "dataset, or name a column with conditioning.key=."
            )
        return batch.given[self.key]

    def bind(self, heldout: Callable[[str], Column]) -> None:
        """See :class:`Conditioning`."""
        self._heldout = heldout

    def sample(self, n: int, *, generator: torch.Generator | None, device: torch.device) -> Tensor:
        """See :class:`Conditioning`; rows are drawn with replacement."""
        if self._heldout is None:
            raise GanforgeError(
                f"Conditions '{self.key}' are drawn from held-out data, and the module has not been given any: call "
                "module.bind(data_module), or pass condition=."
            )
        column = self._heldout(self.key)
        rows = torch.randint(len(column), (n,), generator=generator, device=device)
        return column.modality.decode(column[rows.cpu()].to(device))

"""What a model is conditioned on: from a batch, or drawn anew for sampling."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from ganforge.core.errors import GanforgeError
from ganforge.data.columns import Batch

__all__ = ["Conditioning", "Label"]


class Conditioning(ABC):
    """Turns a batch into the tensor that networks receive as ``condition``."""

    @abstractmethod
    def __call__(self, batch: Batch) -> Tensor:
        """Return the condition of each image of the batch, ``(n, ...)``."""

    @abstractmethod
    def sample(self, n: int, *, generator: torch.Generator | None, device: torch.device) -> Tensor:
        """Draw ``n`` conditions for sampling without data."""


class Label(Conditioning):
    """Class labels, int64 ``(n,)``; drawn uniformly over classes for sampling.

    Args:
        classes: number of classes; ``None`` says that the dataset has no labels, which is refused.
    """

    def __init__(self, classes: int | None) -> None:
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

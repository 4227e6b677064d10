"""Images held as uint8 arrays, and the order in which batches are drawn from them."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from ganforge.core.errors import GanforgeError
from ganforge.core.rng import torch_generator
from ganforge.data.images import Batch

__all__ = ["BatchOrder", "ImageArray", "Splits", "TrainingBatches"]


@dataclass(frozen=True)
class ImageArray:
    """Images of one split.

    Attributes:
        images: ``(m, c, h, w)`` uint8, in memory or a memory-mapped file.
        labels: ``(n,)`` int64, or ``None``.
        identity: hash of the content where that is known without reading it all (a decoded cache's key).
        rows: which of ``images`` form the split, ``(n,)``; ``None`` for all.
    """

    images: Tensor | np.ndarray
    labels: Tensor | None = None
    identity: str | None = None
    rows: Tensor | None = None

    def __len__(self) -> int:
        return len(self.images if self.rows is None else self.rows)

    def __getitem__(self, indices: Tensor) -> Tensor:
        """Return the images at ``indices`` as a uint8 tensor."""
        if self.rows is not None:
            indices = self.rows[indices]
        if isinstance(self.images, Tensor):
            return self.images[indices]
        return torch.from_numpy(np.ascontiguousarray(self.images[indices.numpy()]))

    @cached_property
    def fingerprint(self) -> str:
        """A hash that changes when any image does."""
        if self.identity is not None:
            return self.identity
        digest = hashlib.blake2b(str(tuple(self.images.shape)).encode(), digest_size=16)
        for rows in torch.arange(len(self)).split(65536):
            digest.update(self[rows].contiguous().numpy().data)
        return digest.hexdigest()


@dataclass(frozen=True)
class Splits:
    """A dataset's two parts: what models train on, and what they never see."""

    train: ImageArray
    heldout: ImageArray


class BatchOrder(Sampler[tuple[int, Tensor]]):
    """Endless batches; which images are in a batch is a function of the seed and the batch's position alone.

    The stream is one permutation of the dataset after another. A batch at ``position`` holds the ``batch_size`` images
    that follow it in the stream (it may span two permutations), and each rank takes every ``world_size``-th of them:
    the same batches on any number of ranks, no image twice in an epoch, and resuming replays nothing.

    Args:
        size: images in the dataset.
        batch_size: images in a batch over all ranks; a multiple of ``world_size``.
        seed: of the order.
        start: gives the position to begin at, in images, when iteration begins.
        rank: this process's number.
        world_size: number of processes.
    """

    def __init__(
        self,
        size: int,
        batch_size: int,
        seed: int,
        start: Callable[[], int] = lambda: 0,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        if batch_size < 1 or batch_size % world_size:
            raise GanforgeError(
                f"data.batch_size is over all processes and must be a multiple of their number, {world_size}; "
                f"got {batch_size}."
            )
        self.size, self.batch_size, self.seed = size, batch_size, seed
        self.start, self.rank, self.world_size = start, rank, world_size
        self._cached: tuple[int, Tensor] | None = None

    def _permutation(self, epoch: int) -> Tensor:
        if self._cached is None or self._cached[0] != epoch:
            order = torch.randperm(self.size, generator=torch_generator(self.seed, "order", epoch))
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
    """Whole uint8 batches by (position, indices); mirroring is decided here and done on the device.

    Args:
        array: the training split.
        seed: of the mirroring, with the position.
        horizontal_flip: probability that an image is mirrored.
    """

    def __init__(self, array: ImageArray, seed: int, horizontal_flip: float) -> None:
        self.array, self.seed, self.horizontal_flip = array, seed, horizontal_flip

    def __getitem__(self, at: tuple[int, Tensor]) -> Batch:
        position, indices = at
        labels = None if self.array.labels is None else self.array.labels[indices]
        flip = None
        if self.horizontal_flip:
            seeds = torch_generator(self.seed, "flip", position, int(indices[0]))
            flip = torch.rand(len(indices), generator=seeds) < self.horizontal_flip
        return Batch(self.array[indices], labels, flip)

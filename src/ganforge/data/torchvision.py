"""Published datasets through torchvision's readers; downloaded only on request."""

import os
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ganforge.core.annotations import Whole
from ganforge.core.errors import GanforgeError, first_line
from ganforge.core.files import lock
from ganforge.data.columns import Column, Split, Splits, labelled
from ganforge.data.decoded import decode
from ganforge.data.modality import Images

__all__ = ["CelebA", "TorchVision", "in_memory", "open_dataset"]

#: torchvision's readers that check a file's hash before they unpickle it, or unpickle nothing.
READERS = ("MNIST", "FashionMNIST", "KMNIST", "CIFAR10", "CIFAR100", "SVHN", "STL10", "CelebA")


class TorchVision:
    """A small dataset that fits in memory, with its official test split held out.

    Args:
        name: class in ``torchvision.datasets``: ``MNIST``, ``FashionMNIST``, ``KMNIST``, ``CIFAR10``, ``CIFAR100``,
        ``SVHN``,
            ``STL10``.
        root: folder of the files.
        download: fetch what is missing from the dataset's own host.
        train: what selects the training split in torchvision's class.
        heldout: what selects the held-out split.
    """

    def __init__(
        self,
        name: str,
        root: str,
        *,
        download: bool = False,
        train: dict[str, object] | None = None,
        heldout: dict[str, object] | None = None,
    ) -> None:
        self.name, self.root, self.download = name, Path(root).expanduser(), download
        self.train = train or {"train": True}
        self.heldout = heldout or {"train": False}

    def load(self, modality: Images) -> Splits:
        """Return both splits at the dataset's own size."""
        return Splits(*(in_memory(self._open(which), modality) for which in (self.train, self.heldout)))

    def _open(self, which: dict[str, object]) -> object:
        return open_dataset(self.name, self.root, self.download, which)


def open_dataset(name: str, root: Path, download: bool, which: Mapping[str, object]) -> Any:
    """Open a torchvision dataset. Of several processes one downloads.

    Raises:
        GanforgeError: if files are missing and may not, or could not, be downloaded, or there is no such dataset.
    """
    from torchvision import datasets

    if name not in READERS:
        raise GanforgeError(f"ganforge reads no '{name}': set data.source.name to one of {', '.join(READERS[:-1])}.")
    if not which.keys() <= {"train", "split", "target_type"}:
        raise GanforgeError(f"data.source selects a split by train= or split=, got {', '.join(map(str, which))}.")
    reader = getattr(datasets, name)
    may_write = os.access(root, os.W_OK) or not root.exists()
    try:
        with lock(root) if download and may_write else nullcontext():
            return reader(root=str(root), download=download, **which)
    except (RuntimeError, FileNotFoundError, OSError) as error:
        if download:
            raise GanforgeError(
                f"{name} could not be downloaded into '{root}' ({first_line(error)}): check the network, or copy "
                f"the files "
                "there from a machine that has one."
            ) from error
        raise GanforgeError(
            f"{name} is not in '{root}': add download=true to fetch it, or paths.data=FOLDER if it lies elsewhere."
        ) from error


def in_memory(dataset: Any, modality: Images) -> Split:
    """Turn torchvision's in-memory arrays, of any of its layouts, into ``(n, c, h, w)`` uint8."""
    images = torch.as_tensor(np.asarray(dataset.data))
    if images.ndim == 3:
        images = images[:, None]
    elif images.shape[-1] == 3:
        images = images.permute(0, 3, 1, 2)
    labels = dataset.targets if hasattr(dataset, "targets") else dataset.labels
    return labelled(Column(images.contiguous(), modality), torch.as_tensor(np.asarray(labels), dtype=torch.int64))


class CelebA:
    """CelebA's aligned faces, centre-cropped to 178 pixels and resized; decoded once into a cache.

    Args:
        root: folder that holds ``celeba/``.
        cache: folder of decoded images.
        download: fetch what is missing.
        workers: processes that decode.
    """

    def __init__(self, root: str, cache: str, *, download: bool = False, workers: Whole = 2) -> None:
        self.root, self.cache = Path(root).expanduser(), Path(cache).expanduser()
        self.download, self.workers = download, workers

    def load(self, modality: Images) -> Splits:
        """Return the official training split, and the test split as held out."""
        parts = []
        for name in ("train", "test"):
            dataset = open_dataset("CelebA", self.root, self.download, {"split": name, "target_type": "attr"})
            folder = self.root / "celeba" / "img_align_celeba"
            files = [folder / file for file in dataset.filename]
            parts.append(decode(files, None, modality, self.cache, workers=self.workers))
        return Splits(*parts)

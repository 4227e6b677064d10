"""The real side of a comparison: measured once for all runs, kept by content."""

import hashlib
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ganforge.core.errors import GanforgeError
from ganforge.core.files import lock
from ganforge.core.rng import torch_generator
from ganforge.data.columns import Column, Split, Splits, labelled
from ganforge.metrics.extractors import Features, Loaded
from ganforge.metrics.moments import Moments
from ganforge.metrics.protocol import Protocol
from ganforge.metrics.real_cache import finite, read, warn_not_kept, write

__all__ = ["RealSide", "both"]

_BATCH = 512  # images extracted at a time; the extractor takes them in parts that fit


def is_one_set(splits: Splits) -> bool:
    """Whether training and held-out images are the same ones, as where a folder or file was named."""
    train, heldout = splits.train, splits.heldout
    same = len(train) == len(heldout) and train.data.fingerprint == heldout.data.fingerprint
    return train is heldout or same


def both(splits: Splits) -> Split:
    """Return the training and the held-out images as one split; where they are one set, that set once."""
    train, heldout = splits.train, splits.heldout
    if is_one_set(splits):
        return train
    labels = None
    if train.label is not None and heldout.label is not None:
        labels = torch.cat([train.label, heldout.label])
    identity = hashlib.blake2b(
        f"{train.data.fingerprint} {heldout.data.fingerprint}".encode(), digest_size=16
    ).hexdigest()
    values = torch.cat([part.data.read() for part in (train, heldout)])
    return labelled(Column(values, train.data.modality, identity), labels)


@dataclass(frozen=True)
class RealSide:
    """The real images' features and statistics for a protocol's metrics; computed when first read, kept in ``cache``.

    The cache's key covers the images' content, their number and the extractor: all runs of a sweep share it, and a
    changed dataset has another one. Of several processes one computes, and the others wait for it.

    Attributes:
        protocol: whose.
        loaded: its extractor, on ``device``.
        data: both splits, ``data`` being what samples are compared with.
        cache: folder.
        device: where features are extracted, and given.
    """

    protocol: Protocol
    loaded: Loaded
    data: Splits
    cache: Path
    device: torch.device
    _memory: dict[str, dict[str, Tensor]] = field(default_factory=dict, repr=False)

    @cached_property
    def split(self) -> Split:
        """The images of the protocol's split.

        Raises:
            GanforgeError: if there are fewer than the protocol wants.
        """
        name = self.protocol.split
        split: Split = both(self.data) if name == "full" else getattr(self.data, name)
        count = self.protocol.num_real
        if count is None or count == len(split):
            return split
        if count > len(split):
            raise GanforgeError(
                f"Protocol {self.protocol.name} has num_real={count:,} and the {name} split holds {len(split):,} "
                f"images: set protocol.{self.protocol.name}.num_real=null for all of them, which makes it a protocol "
                "of its own."
            )
        # Datasets lie sorted by class: the first ones are another distribution.
        chosen = torch.randperm(len(split), generator=torch_generator(0, "num_real"))[:count].sort().values
        identity = split.data.identity
        return split.take(chosen, identity and f"{identity} drawn {count}")

    @property
    def is_drawn(self) -> bool:
        """Whether the protocol takes a part of its split."""
        if self.protocol.num_real is None:
            return False
        sizes = {"train": len(self.data.train), "heldout": len(self.data.heldout)}
        whole = sizes.get(self.protocol.split, sum(sizes.values()))
        return self.protocol.num_real < whole

    def extract(self, images: Tensor) -> Features:
        """Return the features of ``(n, c, h, w)`` uint8 images."""
        with torch.no_grad():
            features: Features = self.loaded.module(images.to(self.device))
        return features

    def prepare(self, needs: frozenset[str]) -> None:
        """Compute what the metrics will read, so that what is missing is an error before anything is sampled.

        Raises:
            GanforgeError: if they need held-out images and there are none besides those trained on, or the statistics
                of fewer than 2 images.
        """
        moments = {name.partition("_")[0] for name in needs if name.endswith("_moments")}
        for side in sorted(moments):
            self._check_count(side)
        if any(name.startswith("heldout_") for name in needs) and is_one_set(self.data):
            users = ", ".join(
                sorted(
                    key
                    for key, metric in self.protocol.metrics.items()
                    if any(name.startswith("heldout_") for name in metric.needs)
                )
            )
            raise GanforgeError(
                f"Protocol {self.protocol.name} measures {users}, which needs images the model has never seen, and "
                "real=... is one set: name a dataset with real=, or leave it out."
            )
        for name in sorted(needs):
            if name.startswith(("real_", "train_", "heldout_")) and not name.endswith("images"):
                self.field(name)

    def _check_count(self, side: str) -> None:
        split: Split = self.split if side == "real" else getattr(self.data, side)
        if len(split) < 2:
            name = self.protocol.split if side == "real" else side
            raise GanforgeError(
                f"Protocol {self.protocol.name} measures the spread of real images, and the {name} split holds "
                f"{len(split)}: give a dataset of more images, or protocol=[] to go without metrics."
            )

    def field(self, name: str) -> Any:
        """Return the field of a :class:`~ganforge.metrics.comparison.Comparison` called ``name``."""
        side, _, what = name.partition("_")
        split: Split = self.split if side == "real" else getattr(self.data, side)
        if what == "labels":
            return None if split.label is None else split.label.to(self.device)
        if what == "images":
            return split.data.read()
        if what == "moments":
            kept = self._kept(split.data, "moments", self._moments)
            return Moments(kept["total"], kept["products"], int(kept["count"]))
        features = Features(**self._kept(split.data, "features", self._features))
        return (features.features if what == "features" else features.logits).to(self.device)

    def _kept(self, column: Column, kind: str, compute: Callable[[Column], dict[str, Tensor]]) -> dict[str, Tensor]:
        """Return tensors from memory or the cache, or compute and keep them."""
        parts = (column.fingerprint, self.protocol.extractor.name, self.protocol.extractor.resize, self.loaded.weights)
        key = hashlib.blake2b(repr(parts).encode(), digest_size=12).hexdigest()
        if (known := self._memory.get(key + kind)) is None:
            path = self.cache / "real" / key / f"{kind}.safetensors"
            known = read(path, aloud=True)
            if known is None:
                known = self._computed(path, lambda: compute(column))
            self._memory[key + kind] = known
        return known

    def _computed(self, path: Path, compute: Callable[[], dict[str, Tensor]]) -> dict[str, Tensor]:
        """Compute and keep tensors, or wait for the process that does; where nothing can be written, compute alone."""
        with ExitStack() as held:
            try:
                held.enter_context(lock(path.parent))
            except OSError as error:
                warn_not_kept(path, error)
                return finite(compute())
            known = read(path)
            if known is None:
                known = finite(compute())
                write(path, known)
            return known

    def _features(self, column: Column) -> dict[str, Tensor]:
        parts = [self.extract(column[numbers]) for numbers in torch.arange(len(column)).split(_BATCH)]
        return {name: torch.cat([getattr(part, name).cpu() for part in parts]) for name in Features._fields}

    def _moments(self, column: Column) -> dict[str, Tensor]:
        moments = Moments.of(self.extract(column[rows]).features for rows in torch.arange(len(column)).split(_BATCH))
        state = {"total": moments.total, "products": moments.products, "count": torch.tensor(moments.count)}
        return {name: value.cpu() for name, value in state.items()}

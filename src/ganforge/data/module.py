"""The LightningDataModule of every dataset."""

from collections.abc import Mapping
from typing import Annotated, Any, Protocol

import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader

from ganforge.core.annotations import Bounds, Count, Fraction, Whole
from ganforge.core.distributed import rank, world_size
from ganforge.core.errors import GanforgeError
from ganforge.data.columns import DATA, LABEL, Batch, Column, Split, Splits
from ganforge.data.fit import ChannelMismatchError, Margin
from ganforge.data.images import ImageSize
from ganforge.data.modality import Images, Labels, Modality
from ganforge.data.order import BatchOrder, TrainingBatches, decoded

__all__ = ["DataModule", "ImageData", "Source"]


class Source(Protocol):
    """A dataset's reader."""

    def load(self, modality: Any) -> Splits:
        """Return both splits; samples of another shape than the modality's are fitted afterwards."""


class DataModule(pl.LightningDataModule):
    """Endless training batches of any kind of samples, decoded and transformed on the device.

    Args:
        source: gives the samples.
        modality: what ``data`` is.
        batch_size: samples in a batch over all processes.
        given: what the columns that go with the data are, by name; class labels need no entry.
        classes: number of classes; ``None`` without labels.
        seed: of the batch order and of random transformations.
        workers: processes that read ahead; 0 suits data held in memory.

    Raises:
        GanforgeError: if ``batch_size`` is impossible.
    """

    def __init__(
        self,
        source: Source,
        modality: Modality,
        *,
        batch_size: Annotated[int, Bounds(at_least=1, at_most=1_000_000)],
        given: Mapping[str, Modality] | None = None,
        classes: Count | None = None,
        seed: Whole = 0,
        workers: Whole = 0,
    ) -> None:
        super().__init__()
        if batch_size < 1:
            raise GanforgeError(f"data.batch_size must be a whole number >= 1, got {batch_size}.")
        self.source, self.modality, self.classes = source, modality, classes
        self.given = {**(given or {}), **({} if classes is None else {LABEL: Labels(classes)})}
        self.batch_size, self.seed, self.workers = batch_size, seed, workers
        self._splits: Splits | None = None
        self._orders: dict[str, BatchOrder] = {}  # of players with batches of their own

    def __deepcopy__(self, memo: dict[int, object]) -> "DataModule":
        """Return itself: copies of what trains on a dataset share it."""
        return self

    def splits(self) -> Splits:
        """Load the dataset, once, and return both splits, every column in its modality's shape."""
        if self._splits is None:
            loaded = self.source.load(self.modality)
            self._splits = Splits(self._fit(loaded.train), self._fit(loaded.heldout))
            if not len(self._splits.train):
                raise GanforgeError("The dataset's training split holds no sample: check data.source.")
            self._check_labels(self._splits.train)
            self._check_crops(self._splits.train)
        return self._splits

    def heldout(self, name: str) -> Column:
        """Return the column of the held-out split that is called ``name``.

        Raises:
            GanforgeError: if the dataset has no such column.
        """
        heldout = self.splits().heldout
        columns = {DATA: heldout.data, **heldout.given}
        if name not in columns:
            raise GanforgeError(f"The dataset has no column '{name}': its columns are {', '.join(columns)}.")
        return columns[name]

    def _fit(self, split: Split) -> Split:
        known = {DATA: self.modality, **self.given}
        fitted = {
            name: _fitted(name, column, known.get(name, column.modality))
            for name, column in {DATA: split.data, **split.given}.items()
        }
        return Split(fitted.pop(DATA), fitted, split.paired)

    def _check_crops(self, train: Split) -> None:
        """Refuse crops that would not be of the same place on both sides of a pair."""
        crops = {name: column.modality for name, column in {DATA: train.data, **train.given}.items()}
        sizes = {name: (kind.shape[1:], kind.load_size) for name, kind in crops.items() if hasattr(kind, "load_size")}
        if train.paired and len({*sizes.values()}) > 1 and any(load_size for _, load_size in sizes.values()):
            raise GanforgeError(
                f"data.load_size crops pictures that belong together, and {' and '.join(sizes)} have other sizes or "
                "load sizes: give data.given.source the same image_size and load_size, or set data.load_size=null."
            )

    def _check_labels(self, train: Split) -> None:
        """Refuse labels that networks built for ``classes`` would index past either end."""
        if self.classes is None or train.label is None:
            return
        lowest, highest = int(train.label.min()), int(train.label.max())
        if lowest < 0:
            raise GanforgeError(
                f"data.classes={self.classes} and some images have no label (theirs is {lowest}): train on a labelled "
                "split with data.source.train.split=train, or without labels with data.classes=null."
            )
        if highest >= self.classes:
            raise GanforgeError(
                f"data.classes={self.classes} and the dataset's labels go up to {highest}: set "
                f"data.classes={highest + 1}."
            )

    def example(self) -> Batch:
        """Return an example batch of a few samples in the shapes of real ones, without loading data."""
        count = 12 if max(self.modality.shape, default=1) <= 64 else 4  # 12 can be packed by 2, 3 and 4
        generator = torch.Generator().manual_seed(0)
        given = {name: modality.example(count, generator) for name, modality in self.given.items()}
        return Batch(self.modality.example(count, generator), given)

    def setup(self, stage: str) -> None:
        """Load before training, so that a missing file is an error at once."""
        self.splits()

    def _clock(self) -> int:
        """Return the position to go on from: the clock of the module being trained."""
        if self.trainer is None:
            return 0
        return int(getattr(self.trainer.lightning_module, "images_seen", 0))

    def batch_of(self, player: str, position: int, device: torch.device) -> Batch:
        """Return a training batch of a player's own, as networks see it: of another order than the loader's.

        Args:
            player: its name.
            position: the clock; the batch is a function of it and the seed.
            device: where the batch is to lie.
        """
        train = self.splits().train
        if player not in self._orders:
            self._orders[player] = self._order().of_column(f"player/{player}", len(train))
        order = self._orders[player]
        batch = TrainingBatches(train, order)[position, order.batch(position)]
        return decoded(batch.map(lambda column: column.to(device)), train)

    def _order(self) -> BatchOrder:
        size = len(self.splits().train)
        return BatchOrder(size, self.batch_size, self.seed, self._clock, rank(), world_size())

    def train_dataloader(self) -> DataLoader[Batch]:
        """Return an endless loader of stored batches; it begins at the trained module's clock."""
        order = self._order()
        return DataLoader(
            TrainingBatches(self.splits().train, order),
            sampler=order,
            batch_size=None,
            num_workers=self.workers,
            persistent_workers=self.workers > 0,
            pin_memory=torch.cuda.is_available(),
            generator=torch.Generator(),  # its own: loading consumes none of the training's random numbers
        )

    def on_after_batch_transfer(self, batch: Batch, dataloader_idx: int) -> Batch:
        """Decode and transform, on the device."""
        return decoded(batch, self.splits().train)


class ImageData(DataModule):
    """Images, by the few numbers that networks are built from as well; see :class:`DataModule`.

    Args:
        source: gives the images.
        image_size, channels, margin, horizontal_flip, load_size: see :class:`~ganforge.data.modality.Images`.
        **others: see :class:`DataModule`.
    """

    def __init__(
        self,
        source: Source,
        *,
        image_size: ImageSize,
        channels: Count,
        margin: Margin = "resize",
        horizontal_flip: Fraction = 0.0,
        load_size: ImageSize | None = None,
        **others: Any,
    ) -> None:
        images = Images(image_size, channels, margin=margin, horizontal_flip=horizontal_flip, load_size=load_size)
        super().__init__(source, images, **others)


def _fitted(name: str, column: Column, modality: Modality) -> Column:
    """Return ``column`` as one of ``modality``, itself resized only where it has another shape."""
    try:
        values = modality.fit(column.values)
    except ChannelMismatchError as error:
        raise ChannelMismatchError(
            error.present, error.wanted, "data" if name == DATA else f"data.given.{name}"
        ) from error
    if values is column.values:
        return Column(values, modality, column.identity, column.rows)
    return Column(values if column.rows is None else modality.fit(column.read()), modality)

"""The LightningDataModule that every dataset runs through."""

from typing import Protocol

import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader

from ganforge.core.distributed import rank, world_size
from ganforge.core.errors import GanforgeError
from ganforge.data.arrays import BatchOrder, ImageArray, Splits, TrainingBatches
from ganforge.data.fit import fit
from ganforge.data.images import Batch, normalise

__all__ = ["ImageData", "Source"]


class Source(Protocol):
    """Where images come from."""

    def load(self, image_size: int, channels: int) -> Splits:
        """Return both splits; images of another size or channel count are fitted afterwards."""


class ImageData(pl.LightningDataModule):
    """Endless training batches from a source, in memory or memory-mapped, mirrored and normalised on the device.

    Args:
        source: gives the images.
        image_size: height and width that networks see, in pixels.
        channels: 1 or 3.
        batch_size: images in a batch over all processes.
        classes: number of classes; ``None`` without labels.
        seed: of the batch order and the mirroring.
        horizontal_flip: probability that a training image is mirrored.
        margin: how images smaller than ``image_size`` grow: ``"pad"`` with black (the custom for 28-pixel digits) or
            ``"resize"``.
        workers: processes that read ahead; 0 suits images held in memory.
    """

    def __init__(
        self,
        source: Source,
        *,
        image_size: int,
        channels: int,
        batch_size: int,
        classes: int | None = None,
        seed: int = 0,
        horizontal_flip: float = 0.0,
        margin: str = "resize",
        workers: int = 0,
    ) -> None:
        super().__init__()
        _validate(image_size, channels, batch_size, horizontal_flip, margin)
        self.source = source
        self.image_size, self.channels, self.classes = image_size, channels, classes
        self.batch_size, self.seed = batch_size, seed
        self.horizontal_flip, self.margin, self.workers = horizontal_flip, margin, workers
        self._splits: Splits | None = None

    def splits(self) -> Splits:
        """Load the dataset, once, and return both splits at the configured size and channels."""
        if self._splits is None:
            loaded = self.source.load(self.image_size, self.channels)
            self._splits = Splits(self._fit(loaded.train), self._fit(loaded.heldout))
            if not len(self._splits.train):
                raise GanforgeError("The dataset's training split holds no image: check data.source.")
            self._check_labels(self._splits.train)
        return self._splits

    def _check_labels(self, train: ImageArray) -> None:
        """Refuse labels that networks built for ``classes`` would index past either end."""
        if self.classes is None or train.labels is None:
            return
        lowest, highest = int(train.labels.min()), int(train.labels.max())
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
        """Return a few made-up images of the shape and label range that batches have, before anything is loaded."""
        generator = torch.Generator().manual_seed(0)
        count = 12 if self.image_size <= 64 else 4  # 12 can be packed by 2, 3 and 4
        images = torch.rand(count, self.channels, self.image_size, self.image_size, generator=generator) * 2 - 1
        return Batch(images, None if self.classes is None else torch.arange(count) % self.classes)

    def _fit(self, array: ImageArray) -> ImageArray:
        return fit(array, self.image_size, self.channels, self.margin)

    def setup(self, stage: str) -> None:
        """Load before training, so that a missing file is told at once."""
        self.splits()

    def _clock(self) -> int:
        """Return the position to go on from: the clock of the module being trained."""
        if self.trainer is None:
            return 0
        return int(getattr(self.trainer.lightning_module, "images_seen", 0))

    def train_dataloader(self) -> DataLoader[Batch]:
        """Return an endless loader of uint8 batches; it begins at the trained module's clock."""
        train = self.splits().train
        order = BatchOrder(len(train), self.batch_size, self.seed, self._clock, rank(), world_size())
        return DataLoader(
            TrainingBatches(train, self.seed, self.horizontal_flip),
            sampler=order,
            batch_size=None,
            num_workers=self.workers,
            persistent_workers=self.workers > 0,
            pin_memory=torch.cuda.is_available(),
            generator=torch.Generator(),  # its own: loading consumes none of the training's random numbers
        )

    def on_after_batch_transfer(self, batch: Batch, dataloader_idx: int) -> Batch:
        """Normalise and mirror, on the device."""
        images = normalise(batch.images)
        if batch.flip is not None:
            images = torch.where(batch.flip[:, None, None, None], images.flip(-1), images)
        return Batch(images, batch.labels)


def _validate(image_size: int, channels: int, batch_size: int, horizontal_flip: float, margin: str) -> None:
    """Refuse impossible values in one sentence."""
    if image_size < 1:
        raise GanforgeError(f"data.image_size must be a whole number of pixels >= 1, got {image_size}.")
    if channels not in (1, 3):
        raise GanforgeError(f"data.channels must be 1 (grey) or 3 (colour), got {channels}.")
    if batch_size < 1:
        raise GanforgeError(f"data.batch_size must be a whole number >= 1, got {batch_size}.")
    if not 0 <= horizontal_flip <= 1:
        raise GanforgeError(f"data.horizontal_flip is a probability in [0, 1], got {horizontal_flip}.")
    if margin not in ("pad", "resize"):
        raise GanforgeError(f"data.margin must be 'pad' or 'resize', got '{margin}'.")

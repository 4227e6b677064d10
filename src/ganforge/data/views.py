"""Other views of a dataset: its images and smaller ones made from them; its pairs without their order."""

from typing import Annotated

import torch
from torch import Tensor
from torch.nn import functional as F

from ganforge.core.annotations import Bounds, Whole
from ganforge.core.errors import GanforgeError
from ganforge.core.rng import torch_generator
from ganforge.data.columns import SOURCE, Column, Split, Splits
from ganforge.data.images import ImageSize, height_and_width
from ganforge.data.modality import Images
from ganforge.data.module import Source

__all__ = ["Downscaled", "Unpaired"]


class Downscaled:
    """Any dataset of images with a column ``source`` of smaller ones made from them: for super-resolution.

    Args:
        source: gives the images.
        scale: how many times smaller: 2, 4, ... Antialiased bicubic, as Pillow and MATLAB do it.
        image_size: pixels of the smaller images; the data are ``scale`` times as large.
    """

    def __init__(self, source: Source, scale: Annotated[int, Bounds(at_least=2)], image_size: ImageSize) -> None:
        self.source, self.scale, self.size = source, scale, height_and_width(image_size)

    def load(self, modality: Images) -> Splits:
        """Return the dataset's splits with their column.

        Raises:
            GanforgeError: if the sizes are not ``scale`` times each other.
        """
        height, width = self.size
        if (modality.height, modality.width) != (height * self.scale, width * self.scale):
            raise GanforgeError(
                f"data.image_size is {modality.height} x {modality.width}, and {self.scale} times "
                f"data.given.source.image_size is {height * self.scale} x {width * self.scale}: change one of them."
            )
        splits = self.source.load(modality)
        return Splits(self._with_source(splits.train, modality), self._with_source(splits.heldout, modality))

    def _with_source(self, split: Split, modality: Images) -> Split:
        small = torch.empty(len(split), modality.channels, *self.size, dtype=torch.uint8)
        for rows in torch.arange(len(split)).split(1024):
            small[rows] = downscale(torch.as_tensor(modality.fit(split.data[rows])), self.size)
        return Split(split.data, {**split.given, SOURCE: Column(small, Images(self.size, modality.channels))})


def downscale(images: Tensor, size: tuple[int, int]) -> Tensor:
    """Return ``(n, c, h, w)`` uint8 images at a smaller size: antialiased bicubic, rounded and confined to 0..255."""
    scaled = F.interpolate(images.float(), size, mode="bicubic", antialias=True, align_corners=False)
    return scaled.round_().clamp_(0, 255).to(torch.uint8)


class Unpaired:
    """A paired dataset whose training pairs are taken apart: ``source`` and data have an order of their own each.

    What is held out stays paired, so that the truth is there for scoring, and for scoring alone. Other columns, which
    would tell the pairs, are left out.

    Args:
        source: gives pairs, with a column ``source``.
        seed: of the shuffle; runs' own seeds do not change it.
    """

    def __init__(self, source: Source, seed: Whole = 0) -> None:
        self.source, self.seed = source, seed

    def load(self, modality: Images) -> Splits:
        """Return the training split unpaired, and the held-out one paired.

        Raises:
            GanforgeError: if the dataset has no column ``source``.
        """
        splits = self.source.load(modality)
        if SOURCE not in splits.train.given:
            raise GanforgeError("The dataset has no column 'source' to take its pairs apart: set data.source.source.")
        order = torch.randperm(len(splits.train), generator=torch_generator(self.seed, "unpaired"))
        apart = Split(splits.train.data, {SOURCE: splits.train.given[SOURCE].take(order)}, paired=False)
        return Splits(apart, Split(splits.heldout.data, {SOURCE: splits.heldout.given[SOURCE]}))

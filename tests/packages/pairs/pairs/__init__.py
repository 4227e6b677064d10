"""A package of somebody's own: pairs of pictures whose colours are swapped."""

import torch
from torch.nn import functional as F

from ganforge.core.rng import torch_generator
from ganforge.data.columns import Column, Split, Splits


class Pairs:
    """Smooth colours as ``source``, and as the data the same with each channel in another's place and dark for light.

    Unpaired splits hold other pictures on each side, of other numbers.
    """

    def __init__(self, count=40, heldout=16, paired=True, seed=0):
        self.count, self.heldout, self.paired, self.seed = count, heldout, paired, seed

    def load(self, modality):
        return Splits(self._split("train", self.count, modality), self._split("heldout", self.heldout, modality))

    def _split(self, name, count, modality):
        source = self._pictures(name, count, modality)
        others = source if self.paired else self._pictures(f"{name} others", count + 4, modality)
        target = 255 - others.roll(1, 1)
        return Split(Column(target, modality), {"source": Column(source, modality)}, self.paired)

    def _pictures(self, name, count, modality):
        channels, height, width = modality.shape
        coarse = torch.rand(count, channels, 4, 4, generator=torch_generator(self.seed, name))
        return (F.interpolate(coarse, (height, width), mode="bilinear") * 255).to(torch.uint8)

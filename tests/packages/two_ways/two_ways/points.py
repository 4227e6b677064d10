"""Two unpaired sets of points."""

import torch

from ganforge.core.rng import torch_generator
from ganforge.data.columns import Column, Split, Splits
from ganforge.data.mixtures import Points


class TwoClouds:
    """Points about ``(1, 0)`` as the data, and others about ``(-1, 0)`` as the column ``source``, of another number."""

    def __init__(self, points=400, others=300, seed=0):
        self.points, self.others, self.seed = points, others, seed

    def load(self, modality):
        return Splits(self._part("train", self.points, self.others), self._part("heldout", 100, 80))

    def _part(self, name, points, others):
        data, source = (
            Column(0.2 * torch.randn(count, 2, generator=torch_generator(self.seed, name, side)) + centre, Points())
            for side, count, centre in (
                ("b", points, torch.tensor([1.0, 0.0])),
                ("a", others, torch.tensor([-1.0, 0.0])),
            )
        )
        return Split(data, {"source": source}, paired=False)

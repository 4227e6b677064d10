"""One protocol applied to one model on one dataset, on any number of ranks."""

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import Tensor

from ganforge.data.arrays import ImageArray, Splits
from ganforge.distributed import gather_rows, rank, world_size
from ganforge.errors import GanforgeError
from ganforge.images import quantise
from ganforge.metrics.extractors import Features
from ganforge.metrics.protocol import Protocol
from ganforge.metrics.scores import Moments, cached_moments, frechet_distance, inception_score
from ganforge.rng import torch_generator

__all__ = ["Evaluation"]

#: ``(n, generator, ema) -> (n, c, h, w)`` images in [-1, 1].
Sampler = Callable[[int, torch.Generator, bool], Tensor]


class Evaluation:
    """Scores generated images under a protocol.

    Samples come in numbered batches, each from a random stream of its own, and ranks take them in turn: the set is the
    same on any number of ranks. Features are gathered and put back in order, and every rank computes the values from
    all of them, so that no rank waits for a value that another one holds.

    Args:
        protocol: how to measure.
        data: both splits of the real images.
        cache: folder of real images' statistics.
        device: where features are extracted.
        batch_size: images in a batch of samples; part of what is sampled.
    """

    def __init__(
        self, protocol: Protocol, data: Splits, cache: Path, device: torch.device, batch_size: int = 250
    ) -> None:
        self.protocol, self.device, self.batch_size = protocol, device, batch_size
        self._extractor = protocol.extractor.load()
        self._extractor.module.to(device)
        self.tag = protocol.tag(self._extractor.weights, batch_size)
        self.real = self._real_moments(data, cache)

    def _extract(self, images: Tensor) -> Features:
        with torch.no_grad():
            features: Features = self._extractor.module(images.to(self.device))
        return features

    def _real_moments(self, data: Splits, cache: Path) -> Moments:
        array: ImageArray = getattr(data, self.protocol.split)
        count = len(array) if self.protocol.num_real is None else self.protocol.num_real
        if count > len(array):
            raise GanforgeError(
                f"protocol.num_real={count} but the {self.protocol.split} split holds {len(array)} images: "
                "lower it, or set it to null for all of them."
            )

        def batches() -> Iterator[Tensor]:
            for numbers in torch.arange(count).split(self.batch_size):
                yield self._extract(array[numbers]).features

        parts = (array.fingerprint, count, self.protocol.extractor.name, self._extractor.weights)
        key = hashlib.blake2b(repr(parts).encode(), digest_size=12).hexdigest()
        return cached_moments(cache, key, batches())

    def features(self, sample: Sampler) -> Features:
        """Sample this rank's share, extract, and return all ranks' features in the samples' order, on every rank."""
        starts = range(0, self.protocol.num_fake, self.batch_size)
        mine: list[Features] = []
        for number, start in enumerate(starts):
            if number % world_size() == rank():
                generator = torch_generator(self.protocol.seed, "samples", number, device=self.device)
                count = min(self.batch_size, self.protocol.num_fake - start)
                images = sample(self.batch_size, generator, self.protocol.weights == "ema")[:count]
                mine.append(self._extract(quantise(images)))
        shares = [self._gather(mine, index) for index in range(len(Features._fields))]
        return Features(*(self._in_order(share) for share in shares))

    def _gather(self, mine: list[Features], index: int) -> list[Tensor]:
        """Return every rank's rows of one field, in rank order."""
        if mine:
            return gather_rows(torch.cat([part[index] for part in mine]))
        probe = self._extract(torch.zeros(1, 1, 32, 32, dtype=torch.uint8))[index]
        return gather_rows(probe[:0])

    def _in_order(self, shares: list[Tensor]) -> Tensor:
        """Undo dealing batches to ranks in turn."""
        queues = [list(share.split(self.batch_size)) for share in shares]
        total = -(-self.protocol.num_fake // self.batch_size)
        return torch.cat([queues[number % len(queues)].pop(0) for number in range(total)])

    def __call__(self, sample: Sampler) -> dict[str, float]:
        """Return the values by name; equal on all ranks.

        Raises:
            GanforgeError: if features are not finite.
        """
        features = self.features(sample)
        if not (features.features.isfinite().all() and features.logits.isfinite().all()):
            raise GanforgeError(
                "The generated images' features are not finite: the generator has diverged; go on from the last "
                "checkpoint "
                "with a lower learning rate."
            )
        mean, deviation = inception_score(features.logits, self.protocol.inception_splits, self.protocol.seed)
        return {
            "fid": frechet_distance(self.real, features.features),
            "inception_score": mean,
            "inception_score_std": deviation,
        }

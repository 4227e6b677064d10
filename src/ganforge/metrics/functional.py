"""Metrics as functions of two sets of samples, for scripts that have no protocol and no dataset of ganforge's."""

from collections.abc import Iterable, Iterator, Sequence

import torch
from torch import Tensor

from ganforge.core.errors import GanforgeError
from ganforge.data.images import quantise
from ganforge.data.modality import Raw
from ganforge.metrics.comparison import Comparison
from ganforge.metrics.extractors import Extractor, Features, Inception
from ganforge.metrics.frechet import FrechetDistance
from ganforge.metrics.moments import Moments

__all__ = ["Samples", "frechet_distance"]

#: A tensor of samples, or batches of them; of a batch with labels, ``(samples, labels)``, the first column counts.
Samples = Tensor | Iterable[Tensor | Sequence[Tensor]]

_BATCH = 512  # samples extracted at a time; the extractor takes them in parts that fit


def frechet_distance(
    fake: Samples, real: Samples, *, extractor: Extractor | None = None, device: torch.device | str = "cpu"
) -> float:
    """Return the squared Fréchet distance of two sets of samples (Heusel et al. 2017, equation 6): FID with Inception.

    Equal to the ``fid`` of :class:`~ganforge.metrics.frechet.FrechetDistance` in a protocol. Fewer samples than
    features are warned of.

    Args:
        fake: generated samples ``(n, ...)``, or batches of them, such as a DataLoader. Images ``(n, c, h, w)`` of 1 or
            3 channels are uint8, or floats in [-1, 1], which are rounded to uint8 first as files are.
        real: the samples to compare with, alike.
        extractor: gives the features; ``None`` is :class:`~ganforge.metrics.extractors.Inception` with the published
            resize.
        device: where features are extracted and the distance is computed.

    Raises:
        GanforgeError: if the extractor's weights are missing, a set has fewer than 2 samples, or features are not
            finite.
    """
    extractor = extractor or Inception()
    network = extractor.load().module.to(device)

    def extract(samples: Tensor) -> Features:
        stored = quantise(samples) if extractor.reads == "images" and samples.is_floating_point() else samples
        with torch.no_grad():
            features: Features = network(stored.to(device))
        return features

    generated = [extract(batch) for batch in _batches(fake)]
    if not generated:
        raise GanforgeError("There are no generated samples to measure features of.")
    comparison = Comparison(
        fake_features=torch.cat([part.features for part in generated]),
        fake_logits=torch.cat([part.logits for part in generated]),
        seed=0,
        extract=extract,
        modality=Raw(),
        real_moments=Moments.of(extract(batch).features for batch in _batches(real)),
    )
    return FrechetDistance()(comparison)["fid"]


def _batches(samples: Samples) -> Iterator[Tensor]:
    if isinstance(samples, Tensor):
        yield from samples.split(_BATCH)
        return
    for batch in samples:
        yield batch if isinstance(batch, Tensor) else batch[0]

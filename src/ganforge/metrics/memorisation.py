"""Whether generated images are copies of training images."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from ganforge.core.annotations import PositiveFraction, ProperFraction
from ganforge.core.errors import GanforgeError
from ganforge.core.rng import torch_generator
from ganforge.metrics.comparison import Comparison
from ganforge.metrics.directions import Better
from ganforge.metrics.distances import nearest, neighbour_radii
from ganforge.metrics.frechet import Reference
from ganforge.metrics.inputs import exact, features, warn_of_few

__all__ = ["Authenticity", "FrechetGap", "MemorizationInformedFrechet", "NearestTraining"]


@dataclass(frozen=True)
class NearestTraining:
    """Distances of generated and of held-out images to their nearest training image, in features.

    ``nearest_ratio`` is the quotient of the medians: about 1 for images as new as held-out ones, towards 0 for copies,
    above 1 for images unlike the data. ``nearest_closer`` is the share of generated images nearer to a training image
    than the ``quantile`` of held-out ones: about ``quantile`` without copies, 1 for copies alone.
    ``nearest_copies`` is the share nearer than every held-out image.

    Attributes:
        quantile: of the held-out images' distances.
    """

    quantile: ProperFraction = 0.05
    needs: ClassVar[frozenset[str]] = frozenset({"train_features", "heldout_features"})
    better: ClassVar[Better] = {"nearest_*": None}

    def __post_init__(self) -> None:
        if not 0 < self.quantile < 1:
            raise GanforgeError(f"NearestTraining: quantile must be between 0 and 1, got {self.quantile}.")

    def __call__(self, comparison: Comparison) -> dict[str, float]:
        """See :class:`~ganforge.metrics.comparison.Metric`."""
        train = features(comparison, "train_features")
        fake, _ = nearest(features(comparison), train)
        heldout, _ = nearest(features(comparison, "heldout_features"), train)
        ordered = heldout.sort().values
        threshold = ordered[int(self.quantile * len(ordered))]
        return {
            "nearest_ratio": float(fake.median() / heldout.median().clamp(min=torch.finfo(heldout.dtype).tiny)),
            "nearest_closer": float((fake < threshold).float().mean()),
            "nearest_copies": float((fake < ordered[0]).float().mean()),
        }


@dataclass(frozen=True)
class Authenticity:
    """Share of generated images that are no copies (Alaa et al. 2022, section 3.3): ``authenticity``.

    One is taken for a copy if it is nearer to its nearest training image than any other training image is to that.
    Copies alone give 0; the true distribution about one half in high dimensions, for any number of images.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"train_features"})
    better: ClassVar[Better] = {"authenticity": "greater"}

    def __call__(self, comparison: Comparison) -> dict[str, float]:
        """See :class:`~ganforge.metrics.comparison.Metric`."""
        train = features(comparison, "train_features")
        distances, closest = nearest(features(comparison), train)
        return {"authenticity": float((distances > neighbour_radii(train, 1)[closest]).float().mean())}


def _cosine_distance(first: Tensor, second: Tensor) -> float:
    """Return the mean over rows of the least ``1 - |cosine|`` to a row of the other set; rows of zeros left out."""
    first, second = (F.normalize(rows[rows.sum(1) != 0]) for rows in (first, second))
    blocks = first.split(max(1, (1 << 24) // len(second)))
    return float(torch.cat([1 - (block @ second.T).abs().max(1).values for block in blocks]).mean())


@dataclass(frozen=True)
class MemorizationInformedFrechet:
    """MiFID (Bai et al. 2021, section 3): FID to the training images over a penalty for copies.

    ``mifid`` is FID divided by the mean over generated images of the cosine distance to the nearest training image,
    where that mean is below the threshold; it equals FID otherwise. ``mifid_distance`` is the mean.

    Attributes:
        threshold: on the cosine distance, in [0, 1].
        mean_over: ``generated`` images, as in the paper, or ``real`` ones, each against the nearest generated one: the
            value of torchmetrics, which hardly sees copies of few images.
    """

    threshold: PositiveFraction = 0.1
    mean_over: Literal["generated", "real"] = "generated"
    needs: ClassVar[frozenset[str]] = frozenset({"train_features"})
    better: ClassVar[Better] = {"mifid": "less", "mifid_distance": "greater"}

    def __post_init__(self) -> None:
        if not 0 < self.threshold <= 1:
            raise GanforgeError(f"MemorizationInformedFrechet: threshold must be in (0, 1], got {self.threshold}.")
        if self.mean_over not in ("generated", "real"):
            raise GanforgeError(
                f"MemorizationInformedFrechet: mean_over must be generated or real, got '{self.mean_over}'."
            )

    def __call__(self, comparison: Comparison) -> dict[str, float]:
        """See :class:`~ganforge.metrics.comparison.Metric`."""
        fake, train = exact(features(comparison)), exact(features(comparison, "train_features"))
        warn_of_few("MiFID", fake.shape[1], training=len(train), generated=len(fake))
        distance = _cosine_distance(*((fake, train) if self.mean_over == "generated" else (train, fake)))
        fid = Reference(train).distance(fake)
        penalty = distance if distance < self.threshold else 1.0
        # torchmetrics' guards: sets that are equal have no distance to blow up.
        return {"mifid": fid / (penalty + 10e-15) if fid > 1e-8 else 0.0, "mifid_distance": distance}


@dataclass(frozen=True)
class FrechetGap:
    """FID to held-out images less FID to training images: ``fid_gap``, with ``fid_train`` and ``fid_heldout``.

    Well above 0 means a generator that is nearer to its training images than to the distribution. FID's bias
    depends on the number of images: of the larger set as many are drawn as the smaller one has.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"train_features", "heldout_features"})
    better: ClassVar[Better] = {"fid_train": "less", "fid_heldout": "less", "fid_gap": None}

    def __call__(self, comparison: Comparison) -> dict[str, float]:
        """See :class:`~ganforge.metrics.comparison.Metric`."""
        fake = features(comparison)
        sets = {kind: features(comparison, f"{kind}_features") for kind in ("train", "heldout")}
        count = min(map(len, sets.values()))
        warn_of_few("FID", fake.shape[1], real=count, generated=len(fake))
        values = {}
        for kind, rows in sets.items():
            chosen = torch.randperm(len(rows), generator=torch_generator(comparison.seed, "fid-gap", kind))[:count]
            values[f"fid_{kind}"] = Reference(rows[chosen.to(rows.device)]).distance(fake)
        return {**values, "fid_gap": values["fid_heldout"] - values["fid_train"]}

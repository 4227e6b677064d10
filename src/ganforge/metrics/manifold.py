"""Fidelity and diversity apart, by balls around samples: precision and recall, density and coverage."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from ganforge.core.annotations import Count
from ganforge.core.errors import GanforgeError
from ganforge.metrics.comparison import Comparison
from ganforge.metrics.directions import Better
from ganforge.metrics.distances import distance_blocks, neighbour_radii
from ganforge.metrics.inputs import features

__all__ = ["DensityCoverage", "PrecisionRecall"]


def _require_neighbours(owner: object, neighbours: int) -> None:
    if neighbours < 1:
        raise GanforgeError(f"{type(owner).__name__}: neighbours must be at least 1, got {neighbours}.")


def _share_inside(points: Tensor, centres: Tensor, neighbours: int) -> float:
    """Return the share of points in at least one ball around a centre that reaches to its k-th neighbour."""
    radii = neighbour_radii(centres, neighbours)
    inside = [(block <= radii).any(1) for block in distance_blocks(points, centres)]
    return float(torch.cat(inside).float().mean())


@dataclass(frozen=True)
class PrecisionRecall:
    """Improved precision and recall (Kynkäänniemi et al. 2019, equations 1 and 2), equal to torch-fidelity's.

    ``precision`` is the share of generated samples within the real manifold, ``recall`` the share of real samples
    within the generated one, ``f_score`` their harmonic mean; a manifold is the union of balls around samples that
    reach to the k-th nearest other sample. Values depend on both numbers of samples.

    Attributes:
        neighbours: k.
    """

    neighbours: Count = 3
    needs: ClassVar[frozenset[str]] = frozenset({"real_features"})
    better: ClassVar[Better] = {
        "precision": "greater",
        "recall": "greater",
        "f_score": "greater",
    }

    def __post_init__(self) -> None:
        _require_neighbours(self, self.neighbours)

    def __call__(self, comparison: Comparison) -> dict[str, float]:
        """See :class:`~ganforge.metrics.comparison.Metric`."""
        fake = features(comparison, minimum=self.neighbours + 1)
        real = features(comparison, "real_features", self.neighbours + 1)
        precision = _share_inside(fake, real, self.neighbours)
        recall = _share_inside(real, fake, self.neighbours)
        score = 2 * precision * recall / max(1e-5, precision + recall)
        return {"precision": precision, "recall": recall, "f_score": score}


@dataclass(frozen=True)
class DensityCoverage:
    """Density and coverage (Naeem et al. 2020, equations 3 and 4; open balls, as in the authors' code).

    ``density`` is the mean number of real balls that a generated sample is in, over k (about 1 for the true
    distribution, and it may exceed 1); ``coverage`` the share of real balls that hold a generated sample, in [0, 1].

    Attributes:
        neighbours: k.
    """

    neighbours: Count = 5
    needs: ClassVar[frozenset[str]] = frozenset({"real_features"})
    better: ClassVar[Better] = {"density": "greater", "coverage": "greater"}

    def __post_init__(self) -> None:
        _require_neighbours(self, self.neighbours)

    def __call__(self, comparison: Comparison) -> dict[str, float]:
        """See :class:`~ganforge.metrics.comparison.Metric`."""
        fake, real = features(comparison), features(comparison, "real_features", self.neighbours + 1)
        radii = neighbour_radii(real, self.neighbours)
        covered = torch.zeros_like(radii, dtype=torch.bool)
        inside = 0
        for block in distance_blocks(fake, real):
            within = block < radii
            inside += int(within.sum())
            covered |= within.any(0)
        return {"density": inside / (self.neighbours * len(fake)), "coverage": float(covered.float().mean())}

"""Mode coverage of a mixture: modes captured, share of high-quality samples, reverse KL divergence."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from ganforge.core.annotations import Positive
from ganforge.core.errors import GanforgeError
from ganforge.data.mixtures import Points
from ganforge.metrics.comparison import Comparison
from ganforge.metrics.directions import Better
from ganforge.metrics.inputs import features

__all__ = ["ModeCoverage", "mode_scores"]


def mode_scores(points: Tensor, centres: Tensor, sigma: float, threshold: float = 3.0) -> dict[str, float]:
    """Score generated points as PacGAN does (Lin et al. 2018, section 4.1, and the authors' code).

    Args:
        points: ``(n, d)`` generated.
        centres: ``(k, d)`` means of equally likely modes.
        sigma: standard deviation of each coordinate of a mode.
        threshold: a point nearer than this to its nearest centre, in units of ``sigma`` (Mahalanobis
            distance), is of high quality.

    Returns:
        ``modes``, how many centres have at least one point of high quality; ``high_quality``, these points'
        share in [0, 1]; ``reverse_kl``, ``KL(q || uniform)`` in nats with ``q`` their distribution over the
        modes (between 0 and ``log k``; infinite where there are none). As in the authors' code ``q`` counts
        points of high quality only, and the data's shares are taken to be equal rather than counted.
    """
    distances, nearest = torch.cdist(points.double(), centres.to(points.device).double()).min(1)
    good = nearest[distances < threshold * sigma]
    counts = torch.bincount(good, minlength=len(centres)).double()
    shares = counts / counts.sum()
    divergence = torch.special.xlogy(shares, shares * len(centres)).sum().item() if len(good) else float("inf")
    return {
        "modes": float((counts > 0).sum()),
        "high_quality": len(good) / len(points),
        "reverse_kl": divergence if len(good) else float("inf"),
    }


@dataclass(frozen=True)
class ModeCoverage:
    """Mode coverage of a known mixture: see :func:`mode_scores`.

    Attributes:
        threshold: Mahalanobis distance below which a point is of high quality.
    """

    threshold: Positive = 3.0
    needs: ClassVar[frozenset[str]] = frozenset()
    better: ClassVar[Better] = {
        "modes": "greater",
        "high_quality": "greater",
        "reverse_kl": "less",
    }

    def __post_init__(self) -> None:
        if not self.threshold > 0:
            raise GanforgeError(f"protocol: ModeCoverage.threshold must be above 0, got {self.threshold}.")

    def __call__(self, comparison: Comparison) -> dict[str, float]:
        """See :class:`~ganforge.metrics.comparison.Metric`.

        Raises:
            GanforgeError: if the samples are not points of a known mixture.
        """
        modality = comparison.modality
        if not isinstance(modality, Points) or modality.mixture is None:
            raise GanforgeError("ModeCoverage counts modes of a known mixture of points: use data=ring or data=grid.")
        points = features(comparison)
        return mode_scores(points, modality.mixture.centres, modality.mixture.sigma, self.threshold)

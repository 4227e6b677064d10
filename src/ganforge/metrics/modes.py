"""How much of a mixture a generator covers: modes captured, share of good samples, reverse KL divergence."""

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Literal

import torch
from torch import Tensor

from ganforge.core.errors import GanforgeError

__all__ = ["ModeProtocol", "mode_scores"]


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
class ModeProtocol:
    """What mode scores depend on besides the samples; see :class:`ganforge.metrics.protocol.Protocol`.

    Attributes:
        name: what people call it.
        samples: number of generated points.
        threshold: see :func:`mode_scores`.
        weights: the generator's averaged weights where there are any, or the raw ones.
        seed: of the latents.
    """

    name: str = "pacgan_modes"
    samples: int = 2500
    threshold: float = 3.0
    weights: Literal["ema", "raw"] = "ema"
    seed: int = 0

    def __post_init__(self) -> None:
        if self.samples < 1 or not self.threshold > 0:
            raise GanforgeError("protocol.samples must be at least 1 and protocol.threshold above 0.")
        if self.weights not in ("ema", "raw"):
            raise GanforgeError(f"protocol.weights must be ema or raw, got '{self.weights}'.")

    def tag(self, centres: Tensor, sigma: float) -> str:
        """Return the name with eight digits of a hash of the protocol and the mixture."""
        text = json.dumps([asdict(self), centres.tolist(), sigma, "running statistics"], sort_keys=True)
        return f"{self.name}@{hashlib.blake2b(text.encode(), digest_size=4).hexdigest()}"

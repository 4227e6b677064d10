"""How many of Stacked-MNIST's 1,000 modes a generator captures, and how evenly, by a digit classifier a channel."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from ganforge.core.errors import GanforgeError
from ganforge.metrics.comparison import Comparison
from ganforge.metrics.directions import Better
from ganforge.metrics.inputs import features, field

__all__ = ["MODES", "StackedModes", "coverage"]

MODES = 1000


def coverage(counts: Tensor, reference: Tensor | None = None) -> dict[str, float]:
    """Score how samples spread over modes.

    Args:
        counts: ``(k,)``, samples in each mode; at least one sample.
        reference: ``(k,)``, the data's shares; ``None`` for equal ones.

    Returns:
        ``modes``, how many have a sample; ``reverse_kl``, ``KL(q || reference)`` in nats with ``q`` the samples'
        shares: 0 where they agree, ``log k`` for a single mode against equal shares, infinite if a sample is in a mode
        that the reference lacks. With ``n`` perfect samples its expectation is not 0 but about ``(k - 1) / 2n``
        (Miller 1955): 0.019 for 26,000 samples of 1,000 modes.
    """
    shares = counts.double() / counts.sum()
    expected = torch.full_like(shares, 1 / len(shares)) if reference is None else reference.to(shares)
    present = counts > 0
    divergence = (shares[present] * (shares[present] / expected[present]).log()).sum()
    return {"modes": float(present.sum()), "reverse_kl": float(divergence)}


@dataclass(frozen=True)
class StackedModes:
    """Mode coverage as in PacGAN (Lin et al. 2018, section 4.2); the extractor gives a logit a mode.

    Attributes:
        reference: equal shares, as PacGAN has it, or those of the real labels.
    """

    reference: Literal["uniform", "data"] = "uniform"

    _needs: ClassVar[dict[str, frozenset[str]]] = {"uniform": frozenset(), "data": frozenset({"real_labels"})}
    better: ClassVar[Better] = {"modes": "greater", "reverse_kl": "less"}

    def __post_init__(self) -> None:
        if self.reference not in self._needs:
            raise GanforgeError(f"protocol: StackedModes.reference must be uniform or data, got '{self.reference}'.")

    @property
    def needs(self) -> frozenset[str]:
        """See :class:`~ganforge.metrics.comparison.Metric`."""
        return self._needs[self.reference]

    def __call__(self, comparison: Comparison) -> dict[str, float]:
        """Return ``modes`` and ``reverse_kl``; see :func:`coverage`.

        Raises:
            GanforgeError: if the extractor has not a logit a mode.
        """
        if comparison.fake_logits.shape[1] != MODES:
            raise GanforgeError(
                "StackedModes counts modes of stacked digits: its protocol's extractor must be StackedDigitClassifier."
            )
        counts = torch.bincount(features(comparison, "fake_logits", 1).argmax(1), minlength=MODES)
        if self.reference == "uniform":
            return coverage(counts)
        labels = field(comparison, "real_labels")
        return coverage(counts, torch.bincount(labels, minlength=MODES) / len(labels))

"""The Inception Score of logits."""

from dataclasses import dataclass
from typing import ClassVar

from ganforge.core.annotations import Count, Whole
from ganforge.core.errors import GanforgeError
from ganforge.metrics.comparison import Comparison
from ganforge.metrics.directions import Better
from ganforge.metrics.inputs import features

__all__ = ["InceptionScore"]


@dataclass(frozen=True)
class InceptionScore:
    """The Inception Score (Salimans et al. 2016, section 4) by torch-fidelity.

    ``inception_score`` is the mean over splits of ``exp`` of the mean KL divergence between a sample's class
    probabilities and the split's, in ``[1, classes]``; ``inception_score_std`` its deviation over splits, 0 for one.

    Attributes:
        splits: into how many parts of (nearly) equal size samples are cut.
        permutation_seed: of the permutation before the cut, NumPy's as in torch-fidelity, whose default is 2020.
            ``None`` leaves samples in order; with ``splits=1`` that is StudioGAN's score.
    """

    splits: Count = 10
    permutation_seed: Whole | None = 2020
    needs: ClassVar[frozenset[str]] = frozenset()
    better: ClassVar[Better] = {"inception_score": "greater"}

    def __post_init__(self) -> None:
        if self.splits < 1:
            raise GanforgeError(f"InceptionScore: splits must be at least 1, got {self.splits}.")

    def __call__(self, comparison: Comparison) -> dict[str, float]:
        """See :class:`~ganforge.metrics.comparison.Metric`."""
        from torch_fidelity.metric_isc import KEY_METRIC_ISC_MEAN, KEY_METRIC_ISC_STD, isc_features_to_metric

        logits = features(comparison, "fake_logits", minimum=self.splits).cpu()
        if not logits.shape[1]:
            raise GanforgeError(
                "The Inception Score is of classes, and the protocol's extractor has none: take it out, or choose one "
                "that classifies, such as Inception."
            )
        shuffle = self.permutation_seed is not None
        values = isc_features_to_metric(logits, self.splits, shuffle, self.permutation_seed)
        return {
            "inception_score": values[KEY_METRIC_ISC_MEAN],
            "inception_score_std": values[KEY_METRIC_ISC_STD],
        }

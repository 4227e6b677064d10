"""Distances and balance by class."""

import warnings
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from ganforge.core.annotations import Fraction, NonNegative
from ganforge.core.errors import GanforgeError
from ganforge.metrics.comparison import Comparison
from ganforge.metrics.directions import Better
from ganforge.metrics.frechet import Reference
from ganforge.metrics.inputs import FewSamplesWarning, features, field

__all__ = ["ClassBalance", "IntraClassFrechet"]


@dataclass(frozen=True)
class IntraClassFrechet:
    """FID within each class (Miyato & Koyama 2018, section 4): between real images of it and those generated for it.

    ``intra_fid`` is the mean over the real images' classes, ``intra_fid_worst`` the largest and
    ``intra_fid_worst_class`` whose it is. FID's bias with few samples is that of a class's samples.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"real_features", "real_labels", "fake_labels"})
    better: ClassVar[Better] = {"intra_fid": "less", "intra_fid_worst": "less"}

    def __call__(self, comparison: Comparison) -> dict[str, float]:
        """See :class:`~ganforge.metrics.comparison.Metric`.

        Raises:
            GanforgeError: if a class has fewer than 2 real or generated images.
        """
        fake, real = features(comparison), features(comparison, "real_features")
        fake_labels, real_labels = field(comparison, "fake_labels"), field(comparison, "real_labels")
        classes = real_labels.unique().tolist()
        values, smallest = [], len(fake)
        for label in classes:
            members = fake[fake_labels == label], real[real_labels == label]
            smallest = min(smallest, *map(len, members))
            if smallest < 2:
                raise GanforgeError(
                    f"IntraClassFrechet: class {label} has {len(members[1])} real and {len(members[0])} generated "
                    "images but needs 2 of each: raise the protocol's numbers of images."
                )
            values.append(Reference(members[1]).distance(members[0]))
        if smallest <= fake.shape[1]:
            warnings.warn(
                f"FID within classes of as few as {smallest} samples with {fake.shape[1]} features is strongly biased "
                "upwards: compare it only with values of the same numbers, or use more samples.",
                FewSamplesWarning,
                stacklevel=2,
            )
        worst = max(values)
        return {
            "intra_fid": sum(values) / len(values),
            "intra_fid_worst": worst,
            "intra_fid_worst_class": float(classes[values.index(worst)]),
        }


def _shares(logits: Tensor) -> Tensor:
    """Return ``(classes,)`` shares of rows that the classifier puts into each class."""
    return torch.bincount(logits.argmax(1).cpu(), minlength=logits.shape[1]).double() / len(logits)


def _entropy(shares: Tensor) -> float:
    return float(torch.special.entr(shares).sum())


@dataclass(frozen=True)
class ClassBalance:
    """How the extractor's classifier spreads generated images over classes, against real ones.

    ``class_entropy`` and ``class_entropy_real`` of the histograms of predicted classes, in nats, at most
    ``log(classes)``; ``class_total_variation`` between them, in [0, 1]: the share of generated images that would have
    to change class; ``classes_missing``, how many classes that the real ones lead one to expect have no generated
    image, or too few.

    Attributes:
        expected: a class counts as missing only where at least so many generated images were to be expected in it; at
            5 a class of a perfect generator goes missing by chance in 7 of 1,000 evaluations.
        least: a class is missing where generated images have no more than this part of its share among real ones; 0:
            where they have none.
    """

    expected: NonNegative = 5.0
    least: Fraction = 0.0
    needs: ClassVar[frozenset[str]] = frozenset({"real_logits"})
    better: ClassVar[Better] = {
        "class_entropy": None,
        "class_entropy_real": None,
        "class_total_variation": "less",
        "classes_missing": "less",
    }

    def __call__(self, comparison: Comparison) -> dict[str, float]:
        """See :class:`~ganforge.metrics.comparison.Metric`."""
        logits = features(comparison, "fake_logits")
        if not logits.shape[1]:
            raise GanforgeError(
                "ClassBalance is of classes, and the protocol's extractor has none: take it out, or choose one that "
                "classifies, such as Inception."
            )
        fake, real = _shares(logits), _shares(features(comparison, "real_logits"))
        missing = (fake <= self.least * real) & (real * len(logits) >= self.expected)
        return {
            "class_entropy": _entropy(fake),
            "class_entropy_real": _entropy(real),
            "class_total_variation": float((fake - real).abs().sum() / 2),
            "classes_missing": float(missing.sum()),
        }

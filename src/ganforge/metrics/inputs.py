"""Checks of a metric's inputs: that a field is there, finite and large enough."""

import warnings

from torch import Tensor

from ganforge.core.errors import GanforgeError
from ganforge.metrics.comparison import Comparison

__all__ = ["FewSamplesWarning", "exact", "features", "field", "warn_of_few"]


class FewSamplesWarning(UserWarning):
    """A value is finite but strongly biased, since it was computed from fewer samples than features.

    Issued once for each place that computes, by Python's default filter; to silence it, or make it an error, filter
    this category.
    """


def field(comparison: Comparison, name: str) -> Tensor:
    """Return a tensor of the comparison on the device where the metric runs, that of ``fake_features``.

    Images stay where they are, on the CPU: metrics move them in batches.

    Raises:
        GanforgeError: if it is ``None``.
    """
    value: Tensor | None = getattr(comparison, name)
    if value is None:
        raise GanforgeError(
            f"A metric of the protocol needs {name}, which this dataset or model does not give: "
            "take the metric out of the protocol, or evaluate with data that have it."
        )
    return value if name.endswith("images") else value.to(comparison.fake_features.device)


def features(comparison: Comparison, name: str = "fake_features", minimum: int = 2) -> Tensor:
    """Return ``(n, d)`` features or ``(n, classes)`` logits, which are finite and at least ``minimum`` many.

    Raises:
        GanforgeError: if they are not.
    """
    value = field(comparison, name)
    if not value.isfinite().all():
        cause = (
            "the generator has diverged: go on from the last checkpoint with a lower learning rate"
            if name.startswith("fake")
            else "the data or the extractor's weights are damaged: run ganforge doctor, or delete the cache"
        )
        raise GanforgeError(f"{name} hold values that are not finite, so that no metric can be computed; {cause}.")
    if len(value) < minimum:
        raise GanforgeError(
            f"A metric of the protocol needs at least {minimum} rows of {name} but there are {len(value)}: "
            "raise the protocol's number of images, or lower the metric's neighbours, splits or subsets."
        )
    return value


def exact(values: Tensor) -> Tensor:
    """Return float64, on the CPU where the device has none."""
    return values.cpu().double() if values.device.type == "mps" else values.double()


def warn_of_few(metric: str, dimensions: int, **counts: int) -> None:
    """Warn with :class:`FewSamplesWarning` if a count is not above the number of features."""
    few = [f"{count} {name} samples" for name, count in counts.items() if count <= dimensions]
    if few:
        warnings.warn(
            f"{metric} of {' and '.join(few)} with {dimensions} features is strongly biased upwards: compare it only "
            "with values of the same numbers, or use more samples.",
            FewSamplesWarning,
            stacklevel=3,
        )

"""Which way a metric is better. Imports no torch: comparisons read files only."""

from typing import Literal

__all__ = ["better", "higher_is_better", "is_ranked"]

#: Ends of names of what a value comes with: its spread, its interval, the class it is of.
_BESIDE = ("_std", "_error", "_low", "_high", "_class")
_UNKNOWN = ("fid_gap",)
#: Whole names, which come before their words.
_GREATER_NAMES = ("fid_infinity_fit", "mifid_distance")
_GREATER = (
    "accuracy",
    "authenticity",
    "cas",
    "coverage",
    "density",
    "f_score",
    "high_quality",
    "images_per_second",
    "inception_score",
    "lpips_diversity",
    "modes",
    "precision",
    "recall",
)
_LESS = (
    "class_total_variation",
    "classes_missing",
    "distance",
    "divergence",
    "error",
    "fid",
    "intra_fid",
    "kernel",
    "kid",
    "mifid",
    "mmd",
    "path_length",
    "ppl",
    "reverse_kl",
    "swd",
)


def better(name: str) -> Literal["greater", "less"] | None:
    """Return whether a greater or a smaller value is better; ``None`` where that is not known.

    Args:
        name: such as ``fid``, ``is50k_10splits/inception_score`` or ``metrics/cas_generated_to_real``.
    """
    name = name.rpartition("/")[2]
    if name in _UNKNOWN or not is_ranked(name):
        return None
    if name in _GREATER_NAMES:
        return "greater"
    words = f"_{name}_"
    if any(f"_{known}_" in words for known in _LESS):
        return "less"
    return "greater" if any(f"_{known}_" in words for known in _GREATER) else None


def is_ranked(name: str) -> bool:
    """Whether a value measures quality; a deviation, an error, an interval's end or a class's number do not.

    Args:
        name: as for :func:`better`.
    """
    return not name.endswith(_BESIDE)


def higher_is_better(name: str) -> bool:
    """Whether greater is better; what is not known counts as a cost."""
    return better(name) == "greater"

"""What an evaluation shows besides numbers: samples, their nearest training images, walks, precision against recall."""

from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from ganforge.images import grid
from ganforge.metrics.comparison import Comparison
from ganforge.metrics.manifold import PrecisionRecall
from ganforge.metrics.sources import Drawn

__all__ = ["Panel", "neighbourhood_sweep", "precision_recall", "sample_panels"]

_NEIGHBOURS = (1, 2, 3, 5, 10)
_MOST = 2000  # features on either side of the sweep


@dataclass(frozen=True)
class Panel:
    """One picture of the page.

    Attributes:
        title: its name.
        told: a sentence on what is to be seen.
        picture: ``(3, h, w)`` uint8; ``None`` for a plot of ``points``.
        points: ``(neighbours, precision, recall)``.
    """

    title: str
    told: str
    picture: Tensor | None = None
    points: list[tuple[int, float, float]] = field(default_factory=list)


def sample_panels(drawn: Drawn) -> list[Panel]:
    """Show the first images, and a row a class where there are classes."""
    images = drawn.images.cpu()
    panels = [Panel("Samples", "The first ones, not selected.", grid(images[:64], 8))]
    if drawn.labels is not None and len(found := drawn.labels.cpu().unique()) > 1:
        rows = []
        for label in found[:12]:
            row = images[drawn.labels.cpu() == label][:8]
            blank = torch.full((8 - len(row), *images.shape[1:]), 255, dtype=torch.uint8)
            rows.append(torch.cat([row, blank]))
        panels.append(Panel("Classes", "A row a class.", grid(torch.cat(rows), 8)))
    return panels


def neighbourhood_sweep(comparison: Comparison) -> Panel | None:
    """Improved precision against recall for several sizes of neighbourhood; ``None`` without real features."""
    if comparison.real_features is None:
        return None
    few = replace(
        comparison,
        fake_features=comparison.fake_features[:_MOST],
        real_features=comparison.real_features[:_MOST],
    )
    points = []
    for neighbours in _NEIGHBOURS:
        if neighbours < min(len(few.fake_features), len(few.real_features or ())):
            values = PrecisionRecall(neighbours)(few)
            points.append((neighbours, values["precision"], values["recall"]))
    return Panel(
        "Precision and recall",
        f"Improved precision and recall (Kynkaanniemi et al. 2019) of up to {_MOST:,} images on either side, by the "
        "number of neighbours.",
        points=points,
    )


def precision_recall(axis: Any, points: list[tuple[int, float, float]]) -> None:
    """Plot recall against precision."""
    axis.plot(
        [recall for _, _, recall in points], [precision for _, precision, _ in points], marker="o", color="#0072b2"
    )
    for neighbours, precision, recall in points:
        axis.annotate(f"k={neighbours}", (recall, precision), textcoords="offset points", xytext=(6, 4), fontsize=8)
    axis.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.05), xlabel="recall", ylabel="precision")
    axis.grid(color="#eeeeee")

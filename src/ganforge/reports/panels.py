"""Panels of an evaluation: samples, their nearest training images, walks, precision against recall."""

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ganforge.core.rng import torch_generator
from ganforge.data.columns import Column
from ganforge.data.images import grid
from ganforge.data.modality import Modality
from ganforge.metrics.comparison import Comparison
from ganforge.metrics.manifold import PrecisionRecall
from ganforge.metrics.sources import Drawn
from ganforge.sampling.interpolation import interpolate
from ganforge.sampling.neighbours import nearest
from ganforge.sampling.results import Picture
from ganforge.sampling.seeded import SeededSampler

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Panel", "nearest_panel", "neighbourhood_sweep", "precision_recall", "sample_panels", "walk_panels"]

_NEIGHBOURS = (1, 2, 3, 5, 10)
_MOST = 2000  # features on either side of the sweep


@dataclass(frozen=True)
class Panel:
    """One picture of the page.

    Attributes:
        title: its name.
        caption: one sentence.
        picture: ``(3, h, w)`` uint8; ``None`` for a plot of ``points``.
        points: ``(neighbours, precision, recall)``.
    """

    title: str
    caption: str
    picture: Tensor | None = None
    points: list[tuple[int, float, float]] = field(default_factory=list)

    def of(self, name: str) -> "Panel":
        """Return the panel with the sampler's name in its title."""
        return replace(self, title=f"{self.title} ({name})")


def sample_panels(drawn: Drawn, modality: Modality) -> list[Panel]:
    """Show the first samples, and a row a class where there are classes of images."""
    images = drawn.samples.cpu()
    shown = images[:64] if modality.name == "images" else images
    panels = [Panel("Samples", "The first ones, not selected.", modality.picture(shown, 8))]
    if modality.name == "images" and drawn.labels is not None and len(found := drawn.labels.cpu().unique()) > 1:
        rows = []
        for label in found[:12]:
            row = images[drawn.labels.cpu() == label][:8]
            blank = torch.full((8 - len(row), *images.shape[1:]), 255, dtype=torch.uint8)
            rows.append(torch.cat([row, blank]))
        panels.append(Panel("Classes", "A row a class.", grid(torch.cat(rows), 8)))
    return panels


def nearest_panel(images: Tensor, train: Column) -> list[Panel]:
    """Show samples with the training images nearest to them, pixel by pixel; nothing if these have other shapes."""
    queries = images[:8].cpu()
    if train.modality.name != "images" or train.values.shape[1:] != queries.shape[1:]:
        return []
    count = min(6, len(train))
    found = nearest(queries, train, lambda part: part.flatten(1).float(), count)
    near = train[found.flatten()].unflatten(0, (len(queries), count))
    blank = torch.full_like(queries[:, None], 255)
    rows = torch.cat([queries[:, None], blank, near], 1)
    text = f"Left: the sample; right: the {count} nearest of {len(train):,} training images, by pixels."
    return [Panel("Nearest training images", text, grid(rows.flatten(0, 1), count + 2))]


def walk_panels(sampler: SeededSampler) -> list[Panel]:
    """Show walks between latents; nothing where there are no latents or no images."""
    if sampler.modality.name != "images" or sampler.sampler.latent is None:
        return []
    walks = interpolate(sampler, n=8, steps=8)
    assert isinstance(walks, Picture)
    return [Panel("Walks", walks.note, walks.pixels)]


def neighbourhood_sweep(comparison: Comparison) -> Panel | None:
    """Improved precision against recall for several sizes of neighbourhood; ``None`` without real features."""
    if comparison.real_features is None:
        return None
    fake, real = (_some(rows) for rows in (comparison.fake_features, comparison.real_features))
    few = replace(comparison, fake_features=fake, real_features=real)
    points = []
    for neighbours in _NEIGHBOURS:
        if neighbours < min(len(fake), len(real)):
            values = PrecisionRecall(neighbours)(few)
            points.append((neighbours, values["precision"], values["recall"]))
    return Panel(
        "Precision and recall",
        f"Improved precision and recall (Kynkaanniemi et al. 2019) of up to {_MOST:,} images on either side, by the "
        "number of neighbours.",
        points=points,
    )


def _some(rows: Tensor) -> Tensor:
    """Return at most the drawn number of rows, from anywhere: real ones lie sorted by class."""
    chosen = torch.randperm(len(rows), generator=torch_generator(0, "sweep"))[:_MOST]
    return rows[chosen.to(rows.device)]


def precision_recall(axis: "Axes", points: list[tuple[int, float, float]]) -> None:
    """Plot recall against precision."""
    axis.plot(
        [recall for _, _, recall in points], [precision for _, precision, _ in points], marker="o", color="#0072b2"
    )
    for neighbours, precision, recall in points:
        axis.annotate(f"k={neighbours}", (recall, precision), textcoords="offset points", xytext=(6, 4), fontsize=8)
    axis.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.05), xlabel="recall", ylabel="precision")
    axis.grid(color="#eeeeee")

"""Grids: of samples, of classes, of truncations, of mixed styles."""

from collections.abc import Sequence

import torch
from torch import Tensor

from ganforge.core.annotations import Count, Positive, Whole
from ganforge.core.errors import GanforgeError
from ganforge.data.images import grid as lay_out
from ganforge.latents import Normal
from ganforge.sampling.checks import above_zero, whole
from ganforge.sampling.results import Picture
from ganforge.sampling.seeded import SeededSampler

__all__ = ["classes", "grid", "style_mixing", "truncation"]

#: Default limit of rows.
_ROWS = 20


def grid(sampler: SeededSampler, n: Count = 64, columns: Count | None = None, label: Whole | None = None) -> Picture:
    """Draw ``n`` images side by side; a conditional run's classes take turns.

    Args:
        sampler: what to draw from.
        n: number of images.
        columns: images a row; ``None``: a column a class where there are 2 to 20 classes, else as square as can be.
        label: only this class.

    Raises:
        GanforgeError: for impossible values.
    """
    whole("n", n)
    latents, labels = sampler.inputs(n, label=label)
    by_class = labels is not None and label is None and sampler.classes in range(2, _ROWS + 1)
    if columns is None and by_class:
        columns = sampler.classes
    columns = None if columns is None else whole("mode.columns", columns)
    pixels = sampler.modality.picture(sampler.draw(latents, labels), columns)
    what = f"{n} {sampler.modality.name}" if label is None else f"{n} {sampler.modality.name} of class {label}"
    turns = "; classes take turns" if sampler.classes is not None and label is None else ""
    return Picture(pixels, f"{what}{turns}.")


def classes(sampler: SeededSampler, n: Count = 8, classes: Sequence[Whole] | None = None) -> Picture:
    """Draw a row a class; a column is one latent, so that only the class changes along it.

    Args:
        sampler: what to draw from.
        n: number of latents, the columns.
        classes: which; ``None`` for all, at most the first 20.

    Raises:
        GanforgeError: if the run has no classes, or not these.
    """
    sampler.require_images("mode=classes")
    count = sampler.require_classes("mode=classes")
    chosen = list(range(min(count, _ROWS))) if classes is None else list(classes)
    if not chosen:
        raise GanforgeError("mode.classes must name at least one class, or be null for all of them.")
    for label in chosen:
        whole("mode.classes", label, 0, count - 1)
    latents = sampler.latents(whole("n", n)).repeat(len(chosen), 1)
    images = sampler.draw(latents, torch.tensor(chosen).repeat_interleave(n))
    note = f"A row a class: {', '.join(map(str, chosen))}; a column is one latent."
    if classes is None and count > _ROWS:
        note += f" The first {_ROWS} of {count} classes; others with mode.classes=[...]."
    return Picture(lay_out(images, n), note)


def truncation(sampler: SeededSampler, n: Count = 8, values: Sequence[Positive] | None = None) -> Picture:
    """Draw the same images at several truncations, a row each; see :class:`SeededSampler` for what it means.

    Args:
        sampler: what to draw from; its own truncation is not read.
        n: number of images, the columns.
        values: truncations; ``None``: psi from 1 to 0 for a generator with styles; for a normal prior the
            thresholds of Brock et al. 2019, figure 2, and for a uniform one from 1 to 0.04.

    Raises:
        GanforgeError: for a value below 0 (a threshold of 0 too), or a prior without truncation.
    """
    sampler.require_images("mode=truncation")
    latents, labels = sampler.latents(whole("n", n)), sampler.labels(n)
    chosen = _truncations(sampler, values)
    name = "psi, the distance kept from the mean style," if sampler.has_styles else "the latent's threshold"
    rows = [sampler.draw(latents, labels, truncation=value) for value in chosen]
    return Picture(lay_out(torch.cat(rows), n), f"From top to bottom {name} is {', '.join(f'{v:g}' for v in chosen)}.")


def _truncations(sampler: SeededSampler, values: Sequence[float] | None) -> list[float]:
    if values is not None:
        if not values:
            raise GanforgeError("mode.values must name at least one truncation, or be null for the usual ones.")
        return [value if sampler.has_styles and value == 0 else above_zero("mode.values", value) for value in values]
    if sampler.has_styles:
        return [1.0, 0.75, 0.5, 0.25, 0.0]
    return [2.0, 1.0, 0.5, 0.04] if isinstance(sampler.prior, Normal) else [1.0, 0.5, 0.25, 0.04]


def style_mixing(sampler: SeededSampler, n: Count = 5, cut: Count | None = None) -> Picture:
    """Mix styles (Karras et al. 2019, section 3.1): coarse ones from the left column, fine ones from the top row.

    Args:
        sampler: of a generator with styles.
        n: sources in the left column and in the top row; all differ.
        cut: how many of a generator's styles count as coarse; ``None`` for half of them.

    Raises:
        GanforgeError: if the generator has no styles, or ``cut`` leaves none on one side.
    """
    sampler.require_images("mode=style_mixing")
    sampler.require_styles("mode=style_mixing")
    styles = sampler.styles(sampler.latents(2 * whole("n", n)), sampler.labels(2 * n))
    layers = styles.shape[1]
    cut = layers // 2 if cut is None else whole("mode.cut", cut, 1, layers - 1)
    left, top = styles[:n], styles[n:]
    mixed = torch.cat([left[:, None, :cut].expand(-1, n, -1, -1), top[None, :, cut:].expand(n, -1, -1, -1)], 2)
    sources, cells = sampler.synthesise(styles), sampler.synthesise(mixed.flatten(0, 1))
    note = f"Rows keep the left column's styles 0 to {cut - 1}, columns the top row's styles {cut} to {layers - 1}."
    return Picture(lay_out(_framed(sources[:n], sources[n:], cells), n + 1), note)


def _framed(left: Tensor, top: Tensor, cells: Tensor) -> Tensor:
    """Return images row by row: an empty corner, the top row, then each row behind its source."""
    body = torch.cat([left[:, None], cells.unflatten(0, (len(left), len(top)))], 1).flatten(0, 1)
    return torch.cat([torch.full_like(left[:1], 255), top, body])

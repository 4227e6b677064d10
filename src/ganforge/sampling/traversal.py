"""One thing changes along a row: a code of InfoGAN, or a direction found in the generator."""

from typing import Annotated

import torch
from torch import Tensor

from ganforge.core.annotations import Bounds, Count, Positive
from ganforge.core.errors import GanforgeError
from ganforge.data.images import grid as lay_out
from ganforge.latents import Coded
from ganforge.sampling.checks import above_zero, one_of, whole
from ganforge.sampling.directions import ganspace, sefa
from ganforge.sampling.results import Picture
from ganforge.sampling.seeded import SeededSampler

__all__ = ["traverse"]

#: How far rows go to both sides: InfoGAN's figure 2; units of length (SeFa's code); standard deviations.
_EXTENT = {"codes": 2.0, "sefa": 3.0, "ganspace": 2.0}


def traverse(
    sampler: SeededSampler,
    n: Count = 5,
    directions: str | None = None,
    samples_each: Count = 3,
    steps: Annotated[int, Bounds(at_least=2)] | None = None,
    extent: Positive | None = None,
    samples: Count = 5000,
) -> Picture:
    """Draw rows along which one code or direction changes and all else stays.

    Args:
        sampler: what to draw from.
        n: number of directions; codes: at most so many.
        directions: ``codes`` (Chen et al. 2016, figure 2; the category first), ``sefa`` or ``ganspace``; ``None``:
            codes where the latent has them, else ``sefa``.
        samples_each: rows of one direction, each from another latent.
        steps: images a row; ``None``: the number of categories for codes, else 7.
        extent: how far to go to both sides; ``None`` for what the papers show.
        samples: latents that ``ganspace`` learns from.

    Raises:
        GanforgeError: for codes where the latent has none, or impossible values.
    """
    if directions is None:
        directions = "codes" if isinstance(sampler.prior, Coded) else "sefa"
    one_of("mode.directions", directions, tuple(_EXTENT))
    whole("n", n)
    whole("mode.samples_each", samples_each)
    sampler.require_images("mode=traverse")
    reach = _EXTENT[directions] if extent is None else above_zero("mode.extent", extent)
    if directions == "codes":
        return _codes(sampler, n, samples_each, steps, reach)
    steps = 7 if steps is None else whole("mode.steps", steps, 2)
    found = sefa(sampler, n) if directions == "sefa" else ganspace(sampler, n, whole("mode.samples", samples))
    images = _along(sampler, found, samples_each, torch.linspace(-reach, reach, steps))
    unit = "units of length" if directions == "sefa" else "standard deviations"
    note = f"{n} {directions} directions from {-reach:g} to {reach:g} {unit}, {samples_each} rows each."
    return Picture(lay_out(images, steps), note)


def _along(sampler: SeededSampler, found: Tensor, samples_each: int, places: Tensor) -> Tensor:
    """Return images, direction by direction, latent by latent, place by place."""
    latents, labels = sampler.latents(samples_each), sampler.labels(samples_each)
    moves = places[None, :, None] * found[:, None]  # (directions, places, d)
    rows, steps = len(found), len(places)
    if sampler.has_styles:
        styles = sampler.styles(latents, labels)
        moved = styles[None, :, None] + moves[:, None, :, None]
        return sampler.synthesise(moved.flatten(0, 2))
    moved = latents[None, :, None] + moves[:, None]
    if labels is not None:
        labels = labels.repeat_interleave(steps, 0).repeat(rows, *[1] * (labels.ndim - 1))
    return sampler.draw(moved.flatten(0, 2), labels)


def _codes(sampler: SeededSampler, n: int, samples_each: int, steps: int | None, reach: float) -> Picture:
    prior = sampler.prior
    if not isinstance(prior, Coded):
        raise GanforgeError(
            f"mode.directions=codes needs a latent with codes (model=infogan), and this run's is "
            f"{type(prior).__name__}: use mode.directions=sefa or mode.directions=ganspace."
        )
    steps = prior.categories if steps is None else whole("mode.steps", steps, 2)
    columns, codes = max(steps, prior.categories), min(n, 1 + prior.continuous)
    latents, labels = sampler.latents(samples_each), sampler.labels(samples_each)
    places = torch.linspace(-reach, reach, steps)
    rows = []
    for code in range(codes):
        moved = _categories(latents, prior) if code == 0 else _continuous(latents, prior, code - 1, places)
        wide = moved.shape[1]
        conditions = None if labels is None else labels.repeat_interleave(wide, 0)
        images = sampler.draw(moved.flatten(0, 1), conditions).unflatten(0, (samples_each, wide))
        blank = torch.full_like(images[:, :1], 255).expand(-1, columns - wide, -1, -1, -1)
        rows.append(torch.cat([images, blank], 1).flatten(0, 1))
    note = (
        f"{samples_each} rows each of the category (0 to {prior.categories - 1}) and {codes - 1} continuous codes "
        f"from {-reach:g} to {reach:g}."
    )
    return Picture(lay_out(torch.cat(rows), columns), note)


def _categories(latents: Tensor, prior: Coded) -> Tensor:
    """Return ``(n, categories, dim)``: every latent with every category."""
    moved = latents[:, None].repeat(1, prior.categories, 1)
    moved[:, :, prior.noise : prior.noise + prior.categories] = torch.eye(prior.categories)
    return moved


def _continuous(latents: Tensor, prior: Coded, code: int, places: Tensor) -> Tensor:
    """Return ``(n, places, dim)``: every latent with one continuous code at every place."""
    moved = latents[:, None].repeat(1, len(places), 1)
    moved[:, :, prior.noise + prior.categories + code] = places
    return moved

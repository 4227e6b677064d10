"""Walks between images: straight, or along the sphere."""

from typing import Annotated

import torch
from torch import Tensor

from ganforge.core.annotations import Bounds, Count, Positive
from ganforge.data.images import grid as lay_out
from ganforge.latents import Coded, Normal, slerp
from ganforge.sampling.checks import above_zero, one_of, require_module, whole
from ganforge.sampling.results import Film, Picture
from ganforge.sampling.seeded import SeededSampler

__all__ = ["interpolate", "linear", "spherical"]


def linear(start: Tensor, end: Tensor, steps: int) -> Tensor:
    """Return ``steps`` points from ``start`` to ``end``, both included: ``(n, ..., d)`` to ``(n, steps, ..., d)``."""
    share = _shares(start, steps)
    return start[:, None] + share * (end - start)[:, None]


def spherical(start: Tensor, end: Tensor, steps: int) -> Tensor:
    """As :func:`linear`, along the great circle; see :func:`ganforge.latents.slerp`."""
    return slerp(start[:, None], end[:, None], _shares(start, steps))


def _shares(like: Tensor, steps: int) -> Tensor:
    """Return 0 to 1 in ``steps`` values, shaped to multiply ``(n, steps, ..., d)``."""
    return torch.linspace(0, 1, steps).to(like).view(1, -1, *[1] * (like.ndim - 1))


_WALKS = {"linear": linear, "spherical": spherical}


def interpolate(
    sampler: SeededSampler,
    n: Count = 6,
    steps: Annotated[int, Bounds(at_least=2)] | None = None,
    path: str | None = None,
    space: str = "latent",
    format: str = "png",  # noqa: A002 - as on the command line
    fps: Positive = 15,
) -> Picture | Film:
    """Walk from one image to another, ``n`` times; both ends have the first one's label and category.

    Args:
        sampler: what to draw from.
        n: number of walks: rows of a picture, tiles of a film.
        steps: images of a walk, both ends included; ``None`` for 10 in a picture and 30 in a film.
        path: ``spherical`` or ``linear``; ``None``: spherical between normal latents, else linear.
        space: ``latent``, or ``style`` between the styles of a generator that has them.
        format: ``png``, ``gif`` or ``mp4``; films walk there and back.
        fps: frames a second of a film.

    Raises:
        GanforgeError: for impossible values, or ``mp4`` without PyAV.
    """
    sampler.require_images("mode=interpolate")
    _check(sampler, path, space, format)
    steps = (10 if format == "png" else 30) if steps is None else whole("mode.steps", steps, 2)
    if path is None:
        path = "spherical" if isinstance(sampler.prior, Normal) and space == "latent" else "linear"
    images = _walks(sampler, whole("n", n), steps, path, space)
    note = f"{n} {path} walks of {steps} steps between {space}s."
    if format == "png":
        return Picture(lay_out(images.flatten(0, 1), steps), note)
    frames = torch.stack([lay_out(frame) for frame in images.unbind(1)])
    there_and_back = torch.cat([frames, frames[1:-1].flip(0)])
    return Film(there_and_back, above_zero("mode.fps", fps), f".{format}", note)


def _check(sampler: SeededSampler, path: str | None, space: str, file_format: str) -> None:
    if path is not None:
        one_of("mode.path", path, tuple(_WALKS))
    one_of("mode.space", space, ("latent", "style"))
    one_of("mode.format", file_format, ("png", "gif", "mp4"))
    if file_format == "mp4":
        require_module("av", "mode.format=mp4", "video")
    if space == "style":
        sampler.require_styles("mode.space=style")


def _walks(sampler: SeededSampler, n: int, steps: int, path: str, space: str) -> Tensor:
    """Return ``(n, steps, c, h, w)`` images."""
    start, end = sampler.latents(2 * n).unflatten(0, (n, 2)).unbind(1)
    labels = sampler.labels(2 * n)
    labels = None if labels is None else labels[::2]  # walk i begins at image 2i
    if space == "style":
        first, last = (sampler.styles(latents, labels) for latents in (start, end))
        images = sampler.synthesise(_WALKS[path](first, last, steps).flatten(0, 1))
    else:
        points = _WALKS[path](start, end, steps)
        if isinstance(sampler.prior, Coded):
            category = slice(sampler.prior.noise, sampler.prior.noise + sampler.prior.categories)
            points[..., category] = start[:, None, category]
        images = sampler.draw(points.flatten(0, 1), None if labels is None else labels.repeat_interleave(steps, 0))
    walks: Tensor = images.unflatten(0, (n, steps))
    return walks

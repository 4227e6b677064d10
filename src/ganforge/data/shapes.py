"""Coloured shapes drawn on request: labelled images of any size without a download."""

import math
from collections.abc import Collection, Sequence
from typing import Annotated, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from ganforge.core.annotations import Bounds, Count, Whole
from ganforge.core.errors import GanforgeError
from ganforge.core.rng import torch_generator
from ganforge.data.columns import Column, Split, Splits, labelled
from ganforge.data.modality import Images

__all__ = ["COLOURS", "OUTLINES", "Shapes", "known", "paint"]


def _regular(corners: int) -> tuple[int, float]:
    return corners, math.cos(math.pi / corners)


#: Outlines as stars: how many points, and the inner radius over the outer one. A regular polygon is a star whose inner
#: corners lie on its edges; 720 edges leave a circle by less than 1e-5 of its radius.
OUTLINES = {
    "circle": _regular(720),
    "triangle": _regular(3),
    "square": _regular(4),
    "pentagon": _regular(5),
    "hexagon": _regular(6),
    "star": (5, (3 - math.sqrt(5)) / 2),  # the pentagram
    "hexagram": (6, 1 / math.sqrt(3)),
}
#: Red, green and blue of each.
COLOURS = {
    "red": (230, 40, 40),
    "green": (40, 190, 60),
    "blue": (50, 80, 240),
    "yellow": (240, 220, 50),
    "magenta": (220, 60, 220),
    "cyan": (50, 210, 220),
    "orange": (245, 140, 30),
    "white": (255, 255, 255),
}
_POINTS = 1 << 17  # points rendered at once: temporaries of half a megabyte stay in the cache


class Shapes:
    """One coloured shape an image, wholly inside it, at a random place, size and rotation; deterministic in ``seed``.

    Scenes do not depend on ``image_size``: the same seed gives the same pictures at every resolution. Edges are
    antialiased by averaging a grid of points a pixel. Shapes and colours are exactly balanced (to one image), in
    turn by image number. For grey images, colours become their luma afterwards.

    Args:
        count: images to train on.
        heldout: images held out, from a random stream of their own.
        shapes: out of circle, triangle, square, pentagon, hexagon, star, hexagram.
        colours: out of red, green, blue, yellow, magenta, cyan, orange, white.
        label: what classes are: ``"shape_and_colour"`` (``shape * len(colours) + colour``), ``"shape"`` or
            ``"colour"``; numbers are places in ``shapes`` and ``colours``.
        radius: smallest and largest circumradius, as a share of the image's side; drawn uniformly.
        background: grey level, 0 to 255.
        supersampling: points a pixel in each direction.
        seed: of the scenes; runs' own seeds do not change it.

    Raises:
        GanforgeError: for a name that is not known or given twice, or a number out of its range.
    """

    def __init__(
        self,
        count: Count = 20_000,
        heldout: Count = 2_000,
        *,
        shapes: Sequence[str] = ("circle", "square", "triangle", "star"),
        colours: Sequence[str] = ("red", "green", "blue", "yellow"),
        label: Literal["shape_and_colour", "shape", "colour"] = "shape_and_colour",
        radius: tuple[
            Annotated[float, Bounds(above=0, at_most=0.5)], Annotated[float, Bounds(above=0, at_most=0.5)]
        ] = (0.2, 0.45),
        background: Annotated[int, Bounds(at_least=0, at_most=255)] = 0,
        supersampling: Count = 4,
        seed: Whole = 0,
    ) -> None:
        for name, value in {"count": count, "heldout": heldout, "supersampling": supersampling}.items():
            if value < 1:
                raise GanforgeError(f"data.source.{name} must be a whole number >= 1, got {value}.")
        known("shapes", shapes, OUTLINES)
        known("colours", colours, COLOURS)
        known("label", [label], ("shape_and_colour", "shape", "colour"))
        if not 0 < radius[0] <= radius[1] <= 0.5:
            raise GanforgeError(
                f"data.source.radius is two shares of the image's side, 0 < least <= greatest <= 0.5; got {radius}."
            )
        if not 0 <= background <= 255:
            raise GanforgeError(f"data.source.background is a grey level from 0 to 255, got {background}.")
        self.count, self.heldout, self.seed = count, heldout, seed
        self.shapes, self.colours, self.label = list(shapes), list(colours), label
        self.radius, self.background, self.supersampling = radius, background, supersampling

    @property
    def classes(self) -> int:
        """Number of classes, for ``data.classes``."""
        counts = {"shape": len(self.shapes), "colour": len(self.colours)}
        return counts.get(self.label, len(self.shapes) * len(self.colours))

    def load(self, modality: Images) -> Splits:
        """Draw both splits, ``(n, 3, image_size, image_size)``; a few seconds for 20,000 images of 32 pixels."""
        if modality.height != modality.width:
            raise GanforgeError(
                f"data=shapes draws square images, and data.image_size is {modality.height} x {modality.width}: give "
                "one number."
            )
        return Splits(self._draw(self.count, modality, "train"), self._draw(self.heldout, modality, "heldout"))

    def _draw(self, count: int, modality: Images, part: str) -> Split:
        image_size = modality.height
        combination = torch.arange(count) % (len(self.shapes) * len(self.colours))
        shape, colour = combination // len(self.colours), combination % len(self.colours)
        labels = {"shape": shape, "colour": colour}.get(self.label, combination)
        scenes = torch.rand(count, 4, generator=torch_generator(self.seed, "shapes", part))
        radius = self.radius[0] + (self.radius[1] - self.radius[0]) * scenes[:, 0]
        centre = radius[:, None] + (1 - 2 * radius[:, None]) * scenes[:, 1:3]
        placed = torch.cat([centre, radius[:, None], 2 * math.pi * scenes[:, 3:]], 1)
        outlines = torch.tensor([OUTLINES[name] for name in self.shapes])[shape]
        colours = torch.tensor([COLOURS[name] for name in self.colours], dtype=torch.float32)[colour]
        empty = torch.full((count, 3, image_size, image_size), self.background, dtype=torch.uint8)
        images = paint(empty, placed, outlines, colours, self.supersampling)
        return labelled(Column(images, modality), labels)


def paint(images: Tensor, placed: Tensor, outlines: Tensor, colours: Tensor, supersampling: int) -> Tensor:
    """Return images with a shape on each.

    Args:
        images: ``(n, 3, size, size)`` uint8.
        placed: ``(n, 4)``: centre x and y, circumradius (in image sides) and rotation (in radians).
        outlines: ``(n, 2)``, values of :data:`OUTLINES`.
        colours: ``(n, 3)`` floats from 0 to 255.
        supersampling: points a pixel in each direction.
    """
    side, painted = images.shape[-1], torch.empty_like(images)
    chunk = max(1, _POINTS // (side * supersampling) ** 2)
    for rows in torch.arange(len(images)).split(chunk):
        covered = _coverage(placed[rows], outlines[rows], side, supersampling)
        mixed = torch.lerp(images[rows].float(), colours[rows][..., None, None], covered)
        painted[rows] = mixed.round_().to(torch.uint8)
    return painted


def _coverage(placed: Tensor, outlines: Tensor, image_size: int, supersampling: int) -> Tensor:
    """Return which share of each pixel shapes cover, ``(n, 1, size, size)`` in [0, 1].

    ``placed`` is ``(n, 4)``: centre x and y, circumradius (in image sides) and rotation (in radians); ``outlines`` is
    ``(n, 2)``: a star's number of points and its ratio of radii.
    """
    side = image_size * supersampling
    axis = (torch.arange(side) + 0.5) / side
    x, y, radius, rotation = placed.T[:, :, None, None]
    points, ratio = outlines.T[:, :, None, None]
    right, down = (axis[None, None, :] - x) / radius, (axis[None, :, None] - y) / radius
    distance = torch.sqrt(right**2 + down**2)
    # Fold the plane into half a point: from the outer corner at angle 0 to the inner one at angle pi / points.
    sector = 2 * math.pi / points
    turns = (torch.atan2(down, right) + rotation) / sector
    angle = (turns - turns.round()).abs_() * sector
    # Inside is where the edge between the two corners, ((1, 0), ratio * (cos, sin)), is not crossed.
    inner_x, inner_y = ratio * torch.cos(sector / 2), ratio * torch.sin(sector / 2)
    inside = inner_y * (1 - distance * angle.cos()) >= (1 - inner_x) * distance * angle.sin()
    return F.avg_pool2d(inside[:, None].float(), supersampling)


def known(name: str, given: Sequence[str], allowed: Collection[str]) -> None:
    """Refuse unknown and repeated names of an option in one sentence."""
    unknown = [value for value in given if value not in allowed]
    if unknown or not given or len(set(given)) != len(given):
        raise GanforgeError(
            f"data.source.{name} must be different ones out of {', '.join(allowed)}, got {list(given)}."
        )

"""Two coloured shapes and a sentence that says how they stand to each other."""

import math
from collections.abc import Iterator, Sequence
from typing import Annotated

import torch
from torch import Tensor

from ganforge.core.annotations import Bounds, Count, Whole
from ganforge.core.errors import GanforgeError
from ganforge.core.rng import torch_generator
from ganforge.data.columns import LABEL, TEXT, UNSEEN, Column, Split, Splits
from ganforge.data.modality import Images, Labels
from ganforge.data.shapes import COLOURS, OUTLINES, known, paint
from ganforge.data.texts import text_column

__all__ = ["PLACES", "Scenes"]

#: How the first shape of a sentence stands to the second.
PLACES = ("left of", "right of", "above", "below")


class Scenes:
    """Two coloured shapes an image beside or above each other, with a caption: "a red circle left of a blue square".

    Shapes do not overlap, and lie wholly inside of the image; deterministic in ``seed``, and the same scenes at every
    resolution. Columns: ``text``; ``label``, the place of the first shape to the second in :data:`PLACES`; and
    ``unseen``. With ``unseen=true`` training lacks some combinations of shape and colour, those whose places in
    ``shapes`` and ``colours`` are equal, though each shape and each colour is there; of every other held-out image the
    first shape is one of them.

    Args:
        count: images to train on.
        heldout: images held out, from a random stream of their own.
        shapes, colours: see :class:`~ganforge.data.shapes.Shapes`.
        unseen: whether training lacks combinations.
        background: grey level, 0 to 255.
        supersampling: points a pixel in each direction.
        seed: of the scenes; runs' own seeds do not change it.

    Raises:
        GanforgeError: for a name that is not known or given twice, or fewer than 2 shapes or colours.
    """

    def __init__(
        self,
        count: Count = 10_000,
        heldout: Count = 1_000,
        *,
        shapes: Sequence[str] = ("circle", "square", "triangle", "star"),
        colours: Sequence[str] = ("red", "green", "blue", "yellow"),
        unseen: bool = False,
        background: Annotated[int, Bounds(at_least=0, at_most=255)] = 0,
        supersampling: Count = 4,
        seed: Whole = 0,
    ) -> None:
        known("shapes", shapes, OUTLINES)
        known("colours", colours, COLOURS)
        if min(len(shapes), len(colours)) < 2:
            raise GanforgeError("Two shapes of an image differ: give data.source.shapes and colours at least 2 names.")
        self.counts, self.seed, self.unseen = {"train": count, "heldout": heldout}, seed, unseen
        self.shapes, self.colours = list(shapes), list(colours)
        self.background, self.supersampling = background, supersampling

    @property
    def vocabulary(self) -> list[str]:
        """Every word of the captions."""
        return sorted({*" ".join([*self.shapes, *self.colours, *PLACES, "a an"]).split()})

    def load(self, modality: Images) -> Splits:
        """Draw both splits, ``(n, 3, image_size, image_size)``."""
        if modality.height != modality.width:
            raise GanforgeError(
                f"data=scenes draws square images, and data.image_size is {modality.height} x {modality.width}: give "
                "one number."
            )
        return Splits(self._draw("train", modality), self._draw("heldout", modality))

    def _draw(self, part: str, modality: Images) -> Split:
        count, generator = self.counts[part], torch_generator(self.seed, "scenes", part)
        shape, colour = self._combinations(count, part, generator)
        place = torch.randint(len(PLACES), (count,), generator=generator)
        placed = _placed(place, generator)
        images = torch.full((count, 3, modality.height, modality.height), self.background, dtype=torch.uint8)
        for one in range(2):
            outlines = torch.tensor([OUTLINES[name] for name in self.shapes])[shape[:, one]]
            colours = torch.tensor([COLOURS[name] for name in self.colours], dtype=torch.float32)[colour[:, one]]
            images = paint(images, placed[:, one], outlines, colours, self.supersampling)
        given = {
            LABEL: Column(place, Labels(len(PLACES))),
            TEXT: text_column(list(self._captions(shape, colour, place))),
            UNSEEN: Column((shape == colour).any(1).long() if self.unseen else torch.zeros_like(place), Labels(2)),
        }
        return Split(Column(images, modality), given)

    def _combinations(self, count: int, part: str, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Draw shapes and colours of two different objects, ``(n, 2)`` int64 each."""
        pairs = torch.cartesian_prod(torch.arange(len(self.shapes)), torch.arange(len(self.colours)))
        usual = pairs[pairs[:, 0] != pairs[:, 1]] if self.unseen else pairs
        first = torch.randint(len(usual), (count,), generator=generator)
        second = (first + torch.randint(1, len(usual), (count,), generator=generator)) % len(usual)
        objects = torch.stack([usual[first], usual[second]], 1)
        if self.unseen and part == "heldout":
            rare = pairs[pairs[:, 0] == pairs[:, 1]]
            drawn = rare[torch.randint(len(rare), (count,), generator=generator)]
            objects[1::2, 0] = drawn[1::2]
        return objects[..., 0], objects[..., 1]

    def _captions(self, shapes: Tensor, colours: Tensor, places: Tensor) -> Iterator[str]:
        for shape, colour, place in zip(shapes.tolist(), colours.tolist(), places.tolist(), strict=True):
            names = [f"{self.colours[hue]} {self.shapes[form]}" for form, hue in zip(shape, colour, strict=True)]
            first, second = (f"{'an' if name.startswith('o') else 'a'} {name}" for name in names)
            yield f"{first} {PLACES[place]} {second}"


def _placed(place: Tensor, generator: torch.Generator) -> Tensor:
    """Draw centre x and y, circumradius (in image sides) and rotation of two shapes, ``(n, 2, 4)``.

    Along the axis of their place each shape stays in its own half; across, they stand anywhere.
    """
    drawn = torch.rand(len(place), 2, 4, generator=generator)
    half = torch.stack([place % 2, 1 - place % 2], 1)
    radius = 0.14 + 0.08 * drawn[..., 2]
    along = radius + (0.5 - 2 * radius) * drawn[..., 0] + 0.5 * half
    across = radius + (1 - 2 * radius) * drawn[..., 1]
    is_beside = (place < 2)[:, None]
    x, y = torch.where(is_beside, along, across), torch.where(is_beside, across, along)
    return torch.stack([x, y, radius, 2 * math.pi * drawn[..., 3]], -1)

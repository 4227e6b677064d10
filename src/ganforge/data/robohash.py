"""Robots and other creatures composed of known parts: any number of clean colour pictures, all attributes known."""

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from ganforge.core.annotations import Count, Whole
from ganforge.core.errors import GanforgeError
from ganforge.core.rng import torch_generator
from ganforge.data.columns import LABEL, SOURCE, TEXT, UNSEEN, Column, Split, Splits
from ganforge.data.composed import composed
from ganforge.data.label_maps import LabelMaps
from ganforge.data.modality import Images, Labels
from ganforge.data.robot_captions import caption
from ganforge.data.robot_parts import COLOURS, SETS, Drawings
from ganforge.data.texts import text_column

__all__ = ["SOURCE_LABEL", "Robohash"]

#: The given column with the colour of ``source``.
SOURCE_LABEL = "source_label"

_VERSION = 1  # of the composition: raise it with whatever changes a pixel
_CHUNK = 64


class Robohash:
    """Pictures over white, composed of the parts of the package robohash, fixed by ``seed``.

    No drawing is in both splits, in whatever colour. Drawings are of the sets in turn, and robots of the colours in
    turn, so that classes are balanced. Pictures are composed once for each size and kept in the cache. Columns that can
    go with them:

    - ``label``: a robot's colour, or the set.
    - ``source`` and ``source_label``: the same drawing in another colour (the exact truth of a translation between
      colours); or ``source`` alone, a label map of the layer that is seen at each pixel, 0 where nothing is drawn.
    - ``text``: a caption, such as "a green robot with a visor and a hat".
    - ``unseen``: 1 for a robot's combination of colour and accessory that training never shows.

    Args:
        cache: folder of composed pictures.
        count: pictures to train on.
        heldout: pictures held out.
        sets: out of robots, monsters, heads, cats.
        label: what classes are: a place in :data:`~ganforge.data.robot_parts.COLOURS`, or in ``sets``.
        source: ``"colour"``, ``"parts"`` or ``None``: what the column is.
        text: whether there are captions.
        unseen: whether training lacks combinations; half of the held-out robots then have one of these.
        seed: of the drawings; runs' own seeds do not change it.

    Raises:
        GanforgeError: for unknown sets, or what other sets than robots cannot have.
    """

    def __init__(
        self,
        cache: str,
        count: Count = 10_000,
        heldout: Count = 1_000,
        *,
        sets: Sequence[str] = ("robots",),
        label: Literal["colour", "set"] = "colour",
        source: Literal["colour", "parts"] | None = None,
        text: bool = False,
        unseen: bool = False,
        seed: Whole = 0,
    ) -> None:
        unknown = [name for name in sets if name not in SETS]
        if unknown or not sets or len({*sets}) < len(sets):
            raise GanforgeError(f"data.source.sets must be different ones out of {', '.join(SETS)}, got {list(sets)}.")
        if list(sets) != ["robots"] and (label == "colour" or source == "colour" or unseen):
            raise GanforgeError(
                f"Robots alone come in colours, and data.source.sets is {list(sets)}: set data.source.label=set, "
                "data.source.source to parts or null, and data.source.unseen=false."
            )
        self.cache, self.counts = Path(cache).expanduser(), {"heldout": heldout, "train": count}
        self.sets, self.label, self.source = list(sets), label, source
        self.text, self.unseen, self.seed = text, unseen, seed

    @property
    def classes(self) -> int:
        """Number of classes, for ``data.classes``."""
        return len(COLOURS) if self.label == "colour" else len(self.sets)

    @property
    def part_classes(self) -> int:
        """Number of classes of the label map, for ``data.given.source.classes``."""
        return 1 + sum(len(Drawings(name, _colours(name)[0], 1).files) for name in self.sets)

    def load(self, modality: Images) -> Splits:
        """Return both splits, composed the first time; see the class."""
        if modality.height != modality.width:
            raise GanforgeError(
                f"data=robohash draws square images, and data.image_size is {modality.height} x {modality.width}: give "
                "one number."
            )
        plan = _Plan(self, modality.height)
        return Splits(self._split("train", plan), self._split("heldout", plan))

    def _split(self, part: str, plan: "_Plan") -> Split:
        picture, label_map = Images(plan.side, 3), LabelMaps(plan.side, max(2, self.part_classes))
        kinds, numbers, colours = plan.of(part)
        given: dict[str, Column] = {
            LABEL: Column(colours if self.label == "colour" else kinds, Labels(self.classes)),
        }
        if self.source == "colour":
            generator = torch_generator(self.seed, "robohash", "source", part)
            other = (colours + torch.randint(1, len(COLOURS), (len(colours),), generator=generator)) % len(COLOURS)
            given[SOURCE] = self._composed(part, "source", plan, picture, lambda: plan.pictures(kinds, numbers, other))
            given[SOURCE_LABEL] = Column(other, Labels(len(COLOURS)))
        elif self.source == "parts":
            given[SOURCE] = self._composed(
                part, "parts", plan, label_map, lambda: plan.label_maps(kinds, numbers, colours)
            )
        if self.text:
            given[TEXT] = text_column(list(plan.captions(kinds, numbers, colours)))
        if self.unseen:
            given[UNSEEN] = Column((plan.accessories(numbers) == colours).long(), Labels(2))
        data = self._composed(part, "data", plan, picture, lambda: plan.pictures(kinds, numbers, colours))
        return Split(data, given)

    def _composed(
        self,
        part: str,
        column: str,
        plan: "_Plan",
        modality: Images | LabelMaps,
        make: Callable[[], Iterator[np.ndarray]],
    ) -> Column:
        drawn = f"{self.sets} {self.counts} {self.unseen} {self.seed}"
        key = f"robohash {version('robohash')} {_VERSION} {drawn} {part} {column}"
        channels = 3 if isinstance(modality, Images) else 1
        return composed(self.cache, key, self.counts[part], modality, (channels, plan.side, plan.side), make)


def _colours(name: str) -> tuple[str | None, ...]:
    return COLOURS if name == "robots" else (None,)


class _Plan:
    """Which drawings are in which split, and how they look at one size."""

    def __init__(self, source: Robohash, side: int) -> None:
        self.source, self.side = source, side
        self.drawings = {
            (kind, colour): Drawings(name, word, side)
            for kind, name in enumerate(source.sets)
            for colour, word in enumerate(_colours(name))
        }

    @cached_property
    def _numbers(self) -> list[Tensor]:
        """Different drawings of every set, in random order: those held out, then those of training."""
        wanted = -(-sum(self.source.counts.values()) // len(self.source.sets))
        return [self._distinct(kind, name, wanted) for kind, name in enumerate(self.source.sets)]

    def _distinct(self, kind: int, name: str, wanted: int) -> Tensor:
        total = self.drawings[kind, 0].total
        if wanted > total // 2:
            raise GanforgeError(
                f"There are {total:,} drawings of {name}, and data.source.count and data.source.heldout ask for "
                f"{wanted:,}: make them {total // 2:,} together, or less."
            )
        drawn = torch.randint(total, (4 * wanted + 64,), generator=torch_generator(self.source.seed, "robohash", name))
        _, first = np.unique(drawn.numpy(), return_index=True)
        return drawn[torch.from_numpy(np.sort(first)[:wanted])]

    def of(self, part: str) -> tuple[Tensor, Tensor, Tensor]:
        """Return the set, the drawing's number and the colour of every picture of a split, ``(n,)`` int64 each."""
        sets, count = len(self.source.sets), self.source.counts[part]
        at = torch.arange(count) + (self.source.counts["heldout"] if part == "train" else 0)
        kinds = at % sets
        numbers = torch.stack(
            [self._numbers[kind][place] for kind, place in zip(kinds.tolist(), (at // sets).tolist(), strict=True)]
        )
        is_robot = torch.tensor([name == "robots" for name in self.source.sets])[kinds]
        colours = torch.where(is_robot, (torch.arange(count) // sets) % len(COLOURS), 0)
        if self.source.unseen:
            accessories = self.accessories(numbers)
            colours = torch.where(colours == accessories, (colours + 1) % len(COLOURS), colours)
            if part == "heldout":
                colours = torch.where(torch.arange(count) % 2 == 1, accessories, colours)
        return kinds, numbers, colours

    def accessories(self, numbers: Tensor) -> Tensor:
        """Return the accessory of robots, from 0 on."""
        drawings = self.drawings[0, 0]
        return torch.from_numpy(drawings.parts(numbers.numpy())[:, drawings.layers.index("Accessory")])

    def captions(self, kinds: Tensor, numbers: Tensor, colours: Tensor) -> Iterator[str]:
        """Yield what can be seen on each picture."""
        for kind, number, colour in zip(kinds.tolist(), numbers.numpy(), colours.tolist(), strict=True):
            drawings = self.drawings[kind, 0]
            parts = dict(zip(drawings.layers, drawings.parts(number[None])[0].tolist(), strict=True))
            yield caption(self.source.sets[kind], colour, parts)

    def pictures(self, kinds: Tensor, numbers: Tensor, colours: Tensor) -> Iterator[np.ndarray]:
        """Yield ``(n, 3, side, side)`` uint8 pictures."""
        return self._each(kinds, numbers, colours, 3, lambda kind, drawings, chosen: drawings.compose(chosen))

    def label_maps(self, kinds: Tensor, numbers: Tensor, colours: Tensor) -> Iterator[np.ndarray]:
        """Yield ``(n, 1, side, side)`` uint8 label maps; sets have classes of their own."""
        firsts = np.cumsum([1, *(len(self.drawings[kind, 0].files) for kind in range(len(self.source.sets)))])
        return self._each(
            kinds, numbers, colours, 1, lambda kind, drawings, chosen: drawings.label(chosen, int(firsts[kind]))
        )

    def _each(
        self,
        kinds: Tensor,
        numbers: Tensor,
        colours: Tensor,
        channels: int,
        draw: Callable[[int, Drawings, np.ndarray], np.ndarray],
    ) -> Iterator[np.ndarray]:
        for rows in torch.arange(len(numbers)).split(_CHUNK):
            drawn = np.empty((len(rows), channels, self.side, self.side), np.uint8)
            which = list(zip(kinds[rows].tolist(), colours[rows].tolist(), strict=True))
            for one in sorted({*which}):
                chosen = np.array([found == one for found in which])
                drawn[chosen] = draw(one[0], self.drawings[one], numbers[rows].numpy()[chosen])
            yield drawn

"""Folders of pictures of two sides, A and B: pairs, or two sets that have only their kinds in common."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, TypeVar

import torch

from ganforge.core.annotations import Fraction, ProperFraction, Whole
from ganforge.core.errors import GanforgeError
from ganforge.core.files import shown
from ganforge.core.rng import torch_generator
from ganforge.data.columns import LABEL, SOURCE, Column, Split, Splits, heldout_count
from ganforge.data.decoded import decode
from ganforge.data.decoded_cache import IN_MEMORY
from ganforge.data.modality import Images
from ganforge.data.sides import Pair, Picture, Sides, list_sides, pairs_of

__all__ = ["PairedFolder", "UnpairedFolder"]

Direction = Literal["AtoB", "BtoA"]
_Item = TypeVar("_Item", Pair, Picture)


class _Folder:
    """What both kinds of folders take.

    Args:
        path: the folder, or a ``.zip`` file, in a layout of :func:`~ganforge.data.sides.list_sides`.
        cache: folder of decoded arrays.
        direction: ``"AtoB"``: A is the column ``source`` and B the data; ``"BtoA"``: the other way round.
        heldout: share held out where no folder is called ``test`` or ``val``.
        workers: processes that decode.
        max_unreadable: share of unreadable files above which a side is refused; unless it is 0, one is allowed.
    """

    def __init__(
        self,
        path: str | None,
        cache: str,
        *,
        direction: Direction = "AtoB",
        heldout: ProperFraction = 0.1,
        workers: Whole = 2,
        max_unreadable: Fraction = 0.01,
    ) -> None:
        if path is None:
            raise GanforgeError("A folder of pictures of two sides is needed: add data.source.path=FOLDER.")
        self.path, self.cache = Path(path).expanduser(), Path(cache).expanduser()
        self.direction, self.heldout = direction, heldout
        self.workers, self.max_unreadable = workers, max_unreadable

    def _shared_out(self, items: Sequence[_Item], purpose: str) -> tuple[list[_Item], list[_Item]]:
        """Hold a random share out, the same one for every run."""
        order = torch.randperm(len(items), generator=torch_generator(0, "split", purpose))
        held = set(order[: heldout_count(len(items), self.heldout)].tolist())
        kept = [item for at, item in enumerate(items) if at not in held]
        return kept, [item for at, item in enumerate(items) if at in held]

    def _decoded(self, pictures: Sequence[Picture], modality: Images, what: str) -> Split:
        """Return pictures and, as the label, which of ``pictures`` they are: unreadable ones are left out."""
        if not pictures:
            raise GanforgeError(
                f"'{shown(self.path)}' has no picture for {what}: add some, or set data.source.heldout."
            )
        return decode(
            [file for file, _ in pictures],
            list(range(len(pictures))),
            modality,
            self.cache,
            half=pictures[0][1],
            workers=self.workers,
            max_unreadable=self.max_unreadable,
            option="data.source.max_unreadable",
        )

    def _modalities(self, modality: Images) -> dict[str, Images]:
        """Return what A and B are decoded as: what is translated from may have other channels, so it is colour."""
        source = Images((modality.height, modality.width), 3)
        return {"A": source, "B": modality} if self.direction == "AtoB" else {"A": modality, "B": source}

    def _split(self, a: Column, b: Column, paired: bool) -> Split:
        source, data = (a, b) if self.direction == "AtoB" else (b, a)
        return Split(_held(data), {SOURCE: _held(source)}, paired)


def _held(column: Column) -> Column:
    """Hold what is small enough in memory."""
    if isinstance(column.values, torch.Tensor) or column.values.nbytes > IN_MEMORY:
        return column
    return Column(column.read(), column.modality, column.identity)


class PairedFolder(_Folder):
    """Pairs of pictures: files of the same name in two folders, or files that show both sides; see ``_Folder``."""

    __doc__ = f"{__doc__}\n{_Folder.__doc__}"

    def load(self, modality: Images) -> Splits:
        """Return both splits; what cannot be read of one side is left out of both."""
        sides = list_sides(self.path)
        training = pairs_of(sides, sides.train)
        heldout = pairs_of(sides, sides.heldout) if sides.heldout else []
        if sides.heldout is None:
            training, heldout = self._shared_out(training, "pairs")
        return Splits(self._pairs(training, modality, "training"), self._pairs(heldout, modality, "what is held out"))

    def _pairs(self, pairs: Sequence[Pair], modality: Images, what: str) -> Split:
        wanted = self._modalities(modality)
        decoded = [self._decoded([pair[side] for pair in pairs], wanted["AB"[side]], what) for side in range(2)]
        kept = [{number: row for row, number in enumerate(side.given[LABEL].read().tolist())} for side in decoded]
        both = sorted(kept[0].keys() & kept[1].keys())
        a, b = (
            side.data if len(both) == len(side) else side.data.take(torch.tensor([rows[number] for number in both]))
            for side, rows in zip(decoded, kept, strict=True)
        )
        return self._split(a, b, paired=True)


class UnpairedFolder(_Folder):
    """Pictures of two kinds, any number of each, in two folders; see ``_Folder``."""

    __doc__ = f"{__doc__}\n{_Folder.__doc__}"

    def load(self, modality: Images) -> Splits:
        """Return both splits, unpaired; nobody knows a truth."""
        sides = list_sides(self.path)
        if ("", sides.train) in sides.files:
            raise GanforgeError(
                f"'{shown(self.path)}' has no folders of A and B, such as trainA and trainB: add them, or use "
                "data=paired_folder for files that show both sides."
            )
        listed = {side: self._parts(sides, side) for side in "AB"}
        wanted = self._modalities(modality)
        parts = []
        for at, what in enumerate(("training", "what is held out")):
            a, b = (self._decoded(listed[side][at], wanted[side], f"{what}, side {side}").data for side in "AB")
            parts.append(self._split(a, b, paired=False))
        return Splits(*parts)

    def _parts(self, sides: Sides, side: str) -> tuple[list[Picture], list[Picture]]:
        training: list[Picture] = [(file, None) for file in sides.of(side, sides.train).values()]
        if sides.heldout is None:
            return self._shared_out(training, side)
        return training, [(file, None) for file in sides.of(side, sides.heldout).values()]

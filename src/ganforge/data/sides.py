"""Which pictures of a folder are of which side, A or B, and of which split: the layouts of pix2pix and CycleGAN."""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ganforge.core.console import say
from ganforge.core.errors import GanforgeError
from ganforge.core.files import shown
from ganforge.data.decoded import Half
from ganforge.data.decoder import UnreadableImage, upright_size
from ganforge.data.listing import ImageFile, Listing, list_images

__all__ = ["Pair", "Picture", "Sides", "list_sides", "pairs_of"]

#: A file, and which half of it is meant; ``None``: all of it.
Picture = tuple[ImageFile, Half | None]

#: The two sides of a pair, A and B.
Pair = tuple[Picture, Picture]

_TRAIN, _HELDOUT = "train", ("test", "val")
_SPLIT_SIDE = re.compile(r"(train|test|val)_?([AB])")
_Name = tuple[str, ...]


@dataclass
class Sides:
    """The pictures of a folder by side and split.

    Attributes:
        place: the folder or archive.
        files: by side (``"A"``, ``"B"``; ``""`` for files that have both) and split (``"train"``, ``"test"``,
            ``"val"``; ``""`` where folders name none), the files by their names without suffix.
        folders: where the files of a side and split lie, for sentences.
    """

    place: Path
    files: dict[tuple[str, str], dict[_Name, ImageFile]] = field(default_factory=lambda: defaultdict(dict))
    folders: dict[tuple[str, str], str] = field(default_factory=dict)

    def of(self, side: str, split: str) -> dict[_Name, ImageFile]:
        """Return the files of a side and split, sorted by name."""
        return dict(sorted(self.files.get((side, split), {}).items()))

    @property
    def heldout(self) -> str | None:
        """The split to hold out: ``test``, or else ``val``; ``None`` where folders name no splits."""
        there = {split for _, split in self.files}
        return None if there == {""} else next((split for split in _HELDOUT if split in there), None)

    @property
    def train(self) -> str:
        """The split to train on."""
        return "" if {split for _, split in self.files} == {""} else _TRAIN


def list_sides(place: Path) -> Sides:
    """List a folder or zip archive in one of these layouts.

    - ``trainA``, ``trainB``, ``testA``, ``testB`` (CycleGAN's), or ``A/train``, ``B/train``, ...; or ``A`` and ``B``.
    - ``train``, ``test``, ``val`` with files that show A at the left and B at the right (pix2pix's), or such files.

    Raises:
        GanforgeError: if there is no picture, a side is missing, or layouts are mixed.
    """
    try:
        listing = list_images(place)
    except GanforgeError as error:
        raise GanforgeError(f"data.source.path: {error}") from error
    if not len(listing):
        raise GanforgeError(f"{listing.describe()}: give the folder of the pairs with data.source.path=FOLDER.")
    if listing.left_out:
        say(f"{listing.describe()}.")
    sides = _sorted_out(listing)
    found = {side for side, _ in sides.files}
    if "" in found and len(found) > 1:
        raise GanforgeError(
            f"'{shown(place)}' holds pictures inside of folders of A and B and others besides them: keep one layout."
        )
    for side, other in ("AB", "BA"):
        if side in found and other not in found:
            where = max(
                (split == sides.train, folder) for (one, split), folder in sides.folders.items() if one == side
            )[1]
            raise GanforgeError(
                f"'{shown(place)}' holds '{where}' and no pictures of side {other}: add '{_partner(where)}'."
            )
    return sides


def _sorted_out(listing: Listing) -> Sides:
    sides = Sides(listing.place)
    for parts, file in listing.files.items():
        side, split, name = _place_of(parts)
        stem = (*name[:-1], re.sub(r"_[AB]$", "", name[-1].rpartition(".")[0]))
        sides.files[side, split][stem] = file
        sides.folders.setdefault((side, split), "/".join(parts[: len(parts) - len(name)]))
    splits = {split for _, split in sides.files}
    if splits != {""} and (_TRAIN not in splits or "" in splits):
        named = ", ".join(sorted(folder for (_, split), folder in sides.folders.items() if split))
        lacking = "pictures outside of them" if "" in splits else "nothing to train on"
        raise GanforgeError(
            f"'{shown(listing.place)}' holds {named}, and {lacking}: what is trained on lies in train, or trainA and "
            "trainB, where there are such folders."
        )
    unused = sorted(splits - {"", _TRAIN, sides.heldout})
    if unused:
        say(f"'{shown(listing.place)}': {', '.join(unused)} is not used; {sides.heldout} is held out.")
    return sides


def _place_of(parts: _Name) -> tuple[str, str, _Name]:
    """Return side, split and the name below their folders."""
    if len(parts) > 1:
        both = _SPLIT_SIDE.fullmatch(parts[0])
        if both:
            return both[2], both[1], parts[1:]
        if parts[0] in ("A", "B"):
            named = len(parts) > 2 and parts[1] in (_TRAIN, *_HELDOUT)
            return (parts[0], parts[1], parts[2:]) if named else (parts[0], "", parts[1:])
        if parts[0] in (_TRAIN, *_HELDOUT):
            return "", parts[0], parts[1:]
    return "", "", parts


def _partner(folder: str) -> str:
    """Return the folder of the other side: ``trainB`` for ``trainA``, ``B/train`` for ``A/train``."""
    return re.sub(
        r"(^|(?<=train)|(?<=test)|(?<=val))(_?)([AB])(?=/|$)",
        lambda at: at[1] + at[2] + "BA"["AB".index(at[3])],
        folder,
    )


def pairs_of(sides: Sides, split: str) -> list[Pair]:
    """Return the pairs of a split: files of the same name, or the halves of one file; sizes are compared.

    Raises:
        GanforgeError: if a picture has no partner, partners are of different sizes, or a file cannot be halved.
    """
    if sides.files.get(("", split)):
        files = list(sides.of("", split).values())
        _check_halves(files)
        return [((file, "left"), (file, "right")) for file in files]
    a, b = sides.of("A", split), sides.of("B", split)
    alone = sorted(a.keys() ^ b.keys())
    if alone:
        side, other = ("A", "B") if alone[0] in a else ("B", "A")
        where = f"{sides.folders.get(('A', split), 'A')} and {sides.folders.get(('B', split), 'B')}"
        raise GanforgeError(
            f"'{shown(sides.place)}' holds {len(a):,} and {len(b):,} pictures in {where}, and "
            f"'{shown(str((a if side == 'A' else b)[alone[0]]))}' has no partner of the same name on side {other} "
            f"({len(alone):,} have none): add or remove them, or use data=unpaired_folder."
        )
    pairs = [(a[name], b[name]) for name in a]
    for first, second in pairs:
        sizes = _size(first), _size(second)
        if None not in sizes and sizes[0] != sizes[1]:
            raise GanforgeError(
                f"'{shown(str(first))}' has {_shown_size(sizes[0])} and its partner '{shown(str(second))}' "
                f"{_shown_size(sizes[1])}: the pictures of a pair show the same place at the same size."
            )
    return [((first, None), (second, None)) for first, second in pairs]


def _check_halves(files: Sequence[ImageFile]) -> None:
    for file in files:
        size = _size(file)
        if size is not None and size[1] % 2:
            raise GanforgeError(
                f"'{shown(str(file))}' has {_shown_size(size)} and cannot be cut into two sides of the same width: "
                "files of pairs show A at the left and B at the right, or lie in folders A and B."
            )


def _size(file: ImageFile) -> tuple[int, int] | None:
    """Return height and width; ``None`` for a file that cannot be read, which is counted when it is decoded."""
    try:
        with file.open("rb") as handle:
            return upright_size(handle)
    except (UnreadableImage, OSError):
        return None


def _shown_size(size: tuple[int, int] | None) -> str:
    assert size is not None
    return f"{size[1]} x {size[0]} pixels"

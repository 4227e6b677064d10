"""A folder of pictures with captions: a table of them, or a text file beside each picture."""

import csv
import io
from collections.abc import Iterable
from pathlib import Path

import torch

from ganforge.core.annotations import Fraction, ProperFraction, Whole
from ganforge.core.errors import GanforgeError
from ganforge.core.files import shown
from ganforge.core.rng import torch_generator
from ganforge.data.columns import LABEL, TEXT, Column, Split, Splits, heldout_count
from ganforge.data.decoded import decode
from ganforge.data.decoded_cache import IN_MEMORY
from ganforge.data.listing import ImageFile, Listing, list_images
from ganforge.data.modality import Images
from ganforge.data.texts import text_column

__all__ = ["CAPTIONS_FILE", "CaptionedFolder"]

#: A table of captions, with the columns ``file`` and ``caption``; a file may have several rows.
CAPTIONS_FILE = "captions.csv"

_COLUMNS = ["file", "caption"]


class CaptionedFolder:
    """Pictures with captions as the column ``text``, from a folder or a zip archive.

    ``captions.csv`` has the columns ``file`` (below the folder, with ``/``) and ``caption``; without it, ``bird.txt``
    stands beside ``bird.jpg`` and has a caption a line. A picture with several captions is one sample with each.

    Args:
        path: the folder, or the ``.zip`` file.
        cache: folder of decoded arrays.
        heldout: share of the pictures held out, with all their captions.
        workers: processes that decode.
        max_unreadable: share of unreadable files above which the folder is refused; unless it is 0, one is allowed.
    """

    def __init__(
        self,
        path: str | None,
        cache: str,
        *,
        heldout: ProperFraction = 0.1,
        workers: Whole = 2,
        max_unreadable: Fraction = 0.01,
    ) -> None:
        if path is None:
            raise GanforgeError("data=captioned_folder needs a folder: add data.source.path=FOLDER.")
        self.path, self.cache = Path(path).expanduser(), Path(cache).expanduser()
        self.heldout, self.workers, self.max_unreadable = heldout, workers, max_unreadable

    def load(self, modality: Images) -> Splits:
        """Return both splits.

        Raises:
            GanforgeError: if a picture has no caption, a caption no picture, or there are fewer than two pictures.
        """
        try:
            listing = list_images(self.path)
        except GanforgeError as error:
            raise GanforgeError(f"data.source.path: {error}") from error
        captions = _captions(listing)
        files = list(listing.files.values())
        decoded = decode(
            files,
            list(range(len(files))),
            modality,
            self.cache,
            workers=self.workers,
            max_unreadable=self.max_unreadable,
            option="data.source.max_unreadable",
        )
        read = decoded.data.read() if decoded.data.values.nbytes <= IN_MEMORY else decoded.data.values
        images = Column(read, modality, decoded.data.identity)
        texts = [captions[number] for number in decoded.given[LABEL].read().tolist()]
        order = torch.randperm(len(images), generator=torch_generator(0, "split")).tolist()
        held = heldout_count(len(images), self.heldout)
        return Splits(*(_split(images, texts, sorted(rows)) for rows in (order[held:], order[:held])))


def _split(images: Column, texts: list[list[str]], rows: Iterable[int]) -> Split:
    samples = [(row, caption) for row in rows for caption in texts[row]]
    return Split(
        images.take(torch.tensor([row for row, _ in samples])), {TEXT: text_column([text for _, text in samples])}
    )


def _captions(listing: Listing) -> list[list[str]]:
    """Return the captions of every image, in the listing's order."""
    if len(listing) < 2:
        raise GanforgeError(
            f"{listing.describe()}, and training needs at least two: give another folder with data.source.path=FOLDER."
        )
    table = listing.texts.get((CAPTIONS_FILE,))
    found = _from_table(table) if table is not None else _from_files(listing)
    names = ["/".join(parts) for parts in listing.files]
    where = f"'{CAPTIONS_FILE}' in '{shown(listing.place)}'" if table is not None else f"'{shown(listing.place)}'"
    missing = [name for name in names if name not in found]
    if missing:
        raise GanforgeError(
            f"{where} has no caption for {len(missing):,} of {len(names):,} pictures, such as '{shown(missing[0])}': "
            f"add them to {CAPTIONS_FILE} (columns file and caption), or to a .txt file beside each picture."
        )
    strange = sorted(found.keys() - {*names})
    if strange:
        raise GanforgeError(
            f"{where} has captions for {len(strange):,} pictures that are not there, such as '{shown(strange[0])}': "
            "add these pictures, or remove their captions."
        )
    return [found[name] for name in names]


def _from_table(table: ImageFile) -> dict[str, list[str]]:
    try:
        rows = [row for row in csv.reader(io.StringIO(_text(table)), strict=True) if row]
    except csv.Error as error:
        raise GanforgeError(f"'{shown(str(table))}' cannot be read ({error}): repair it.") from error
    if not rows or rows[0] != _COLUMNS:
        raise GanforgeError(f"'{shown(str(table))}' must begin with the line file,caption.")
    found: dict[str, list[str]] = {}
    for row in rows[1:]:
        if len(row) != 2 or not row[1].strip():
            raise GanforgeError(
                f"'{shown(str(table))}' holds the row {row}, which is not a file and its caption: write captions with "
                'commas between quotation marks ("...").'
            )
        found.setdefault(row[0], []).append(row[1].strip())
    return found


def _from_files(listing: Listing) -> dict[str, list[str]]:
    """Return the lines of the text files beside pictures, by the pictures' names."""
    pictures = {_stem(parts): "/".join(parts) for parts in listing.files}
    found: dict[str, list[str]] = {}
    for parts, file in listing.texts.items():
        if parts[-1].lower().endswith(".txt"):
            lines = [line.strip() for line in _text(file).splitlines() if line.strip()]
            found |= {pictures.get(_stem(parts), "/".join(parts)): lines} if lines else {}
    return found


def _stem(parts: tuple[str, ...]) -> tuple[str, ...]:
    return (*parts[:-1], parts[-1].rpartition(".")[0])


def _text(file: ImageFile) -> str:
    try:
        with file.open("rb") as handle:
            return handle.read().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise GanforgeError(f"'{shown(str(file))}' cannot be read as UTF-8 text ({error}): repair it.") from error

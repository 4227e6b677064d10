"""Any folder or zip archive of images."""

from pathlib import Path

import torch

from ganforge.core.annotations import Fraction, ProperFraction, Whole
from ganforge.core.console import say
from ganforge.core.errors import GanforgeError
from ganforge.core.files import shown
from ganforge.core.rng import torch_generator
from ganforge.data.classes import class_labels
from ganforge.data.columns import Split, Splits
from ganforge.data.decoded import decode
from ganforge.data.decoded_cache import IN_MEMORY
from ganforge.data.embedded import split
from ganforge.data.listing import Listing, list_images
from ganforge.data.modality import Images

__all__ = ["ImageFolder"]


class ImageFolder:
    """Every image below a folder or in a zip archive, which may have classes; docs/images.md says how they are read.

    Decoded arrays below 2 GiB are held in memory, larger ones are memory-mapped.

    Args:
        path: the folder, or the ``.zip`` file.
        cache: folder of decoded arrays.
        labelled: whether there are classes: by ``labels.csv``, or by direct subfolders, whose names are the labels
            where all are whole numbers, and which are numbered in alphabetical order otherwise.
        heldout: share of the images (of each class) held out.
        workers: processes that decode.
        max_unreadable: share of unreadable files above which the folder is refused; unless it is 0, one is allowed.
    """

    def __init__(
        self,
        path: str | None,
        cache: str,
        *,
        labelled: bool = False,
        heldout: ProperFraction = 0.1,
        workers: Whole = 2,
        max_unreadable: Fraction = 0.01,
    ) -> None:
        if path is None:
            raise GanforgeError("data=image_folder needs a folder: add data.source.path=FOLDER.")
        if not 0 <= max_unreadable <= 1:
            raise GanforgeError(f"data.source.max_unreadable is a share between 0 and 1, got {max_unreadable}.")
        self.path, self.cache = Path(path).expanduser(), Path(cache).expanduser()
        self.labelled, self.heldout = labelled, heldout
        self.workers, self.max_unreadable = workers, max_unreadable

    def load(self, modality: Images) -> Splits:
        """Return both splits, decoded at the modality's size."""
        listing = self._listing()
        decoded = decode(
            list(listing.files.values()),
            self._labels(listing) if self.labelled else None,
            modality,
            self.cache,
            workers=self.workers,
            max_unreadable=self.max_unreadable,
            option="data.source.max_unreadable",
        )
        if len(decoded) < 2:
            raise GanforgeError(
                f"'{shown(self.path)}' holds one image that can be read, and training needs at least two: give another "
                "folder with data.source.path=FOLDER."
            )
        if decoded.data.values.nbytes <= IN_MEMORY:
            return split(decoded.data.read(), decoded.label, self.heldout, modality)
        return self._mapped(decoded)

    def _listing(self) -> Listing:
        try:
            listing = list_images(self.path)
        except GanforgeError as error:
            raise GanforgeError(f"data.source.path: {error}") from error
        if len(listing) < 2:
            raise GanforgeError(
                f"{listing.describe()}, and training needs at least two: give another folder with "
                "data.source.path=FOLDER."
            )
        if listing.left_out:
            say(f"{listing.describe()}.")
        return listing

    def _labels(self, listing: Listing) -> list[int]:
        labels = class_labels(listing)
        if labels is None:
            raise GanforgeError(
                f"'{shown(self.path)}' holds images outside class subfolders: move them, or set "
                "data.source.labelled=false."
            )
        return labels

    def _mapped(self, decoded: Split) -> Splits:
        """Split by row numbers, without copying."""
        order = torch.randperm(len(decoded), generator=torch_generator(0, "split"))
        held = max(1, round(len(decoded) * self.heldout))
        parts = {"train": order[held:].sort().values, "heldout": order[:held].sort().values}
        identity = decoded.data.identity
        return Splits(**{name: decoded.take(rows, f"{identity}-{name}-{held}") for name, rows in parts.items()})

"""Named pictures, read one after another: of a file, a folder or an archive."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ganforge.core.errors import GanforgeError
from ganforge.core.files import shown
from ganforge.data.decoder import UnreadableImage, read_picture
from ganforge.data.listing import ImageFile, list_images
from ganforge.data.modality import Modality

__all__ = ["Pictures", "own_pictures"]


class Pictures:
    """Named pictures that are read one after another.

    Args:
        names: of files without their suffix, unique.
        modality: what they are.
        read: stored pictures ``(c, h, w)`` uint8 in the order of their names.
    """

    def __init__(self, names: Sequence[str], modality: Modality, read: Sequence[ImageFile] | Tensor) -> None:
        self.names, self.modality, self._read = names, modality, read

    def __iter__(self) -> Iterator[tuple[str, Tensor]]:
        for name, item in zip(self.names, self._read, strict=True):
            yield name, item if isinstance(item, Tensor) else self._decoded(item)

    def _decoded(self, file: ImageFile) -> Tensor:
        channels = self.modality.shape[0]
        if channels not in (1, 3):
            raise GanforgeError(
                f"'{shown(str(file))}' has 1 or 3 channels, and the generator takes {channels}: leave mode.source out."
            )
        try:
            with file.open("rb") as handle:
                pixels = np.asarray(read_picture(handle, channels).image)
        except (UnreadableImage, OSError) as error:
            raise GanforgeError(f"'{shown(str(file))}' cannot be read: {error}.") from error
        return torch.from_numpy(pixels.reshape(*pixels.shape[:2], channels).copy()).permute(2, 0, 1)


def own_pictures(source: str, modality: Modality) -> Pictures:
    """Return the pictures of a file, a folder or an archive."""
    path = Path(source).expanduser()
    if path.is_file() and path.suffix.lower() != ".zip":
        return Pictures([path.stem], modality, [path])
    listing = list_images(path)
    if not len(listing):
        raise GanforgeError(f"{listing.describe()}: give a picture's file, or a folder or .zip file of pictures.")
    names = ["_".join((*parts[:-1], Path(parts[-1]).stem)) for parts in listing.files]
    if len(set(names)) < len(names):
        names = ["_".join(parts) for parts in listing.files]
    return Pictures(names, modality, list(listing.files.values()))

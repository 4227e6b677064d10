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
from ganforge.data.modality import Images

__all__ = ["Pictures", "own_pictures"]


class Pictures:
    """Named pictures that are read one after another; files that cannot be read are left out, but not all of them.

    Args:
        names: of files without their suffix, unique.
        modality: what they are.
        read: stored pictures ``(c, h, w)`` uint8 in the order of their names.
        resize: whether files are brought to the modality's size, as in training.

    Attributes:
        left_out: why files were left out, in the last iteration.
        sizes: which size they have, in words that follow their number.
    """

    def __init__(
        self, names: Sequence[str], modality: Images, read: Sequence[ImageFile] | Tensor, resize: bool = False
    ) -> None:
        self.names, self.modality, self._read, self.resize = names, modality, read, resize
        self.left_out: list[str] = []
        height, width = modality.shape[1:]
        fitted = f" at {width} x {height} pixels, as in training"
        kept = f" at their own sizes; mode.resize=true translates them{fitted}"
        self.sizes = "" if isinstance(read, Tensor) else fitted if resize else kept

    def __iter__(self) -> Iterator[tuple[str, Tensor]]:
        for name, item in zip(self.names, self._read, strict=True):
            if isinstance(item, Tensor):
                yield name, item
                continue
            try:
                yield name, self._decoded(item)
            except (UnreadableImage, OSError) as error:
                self.left_out.append(f"'{shown(str(item))}' cannot be read: {error}")
        if len(self.left_out) == len(self.names):
            raise GanforgeError(f"{self.left_out[0]}.")

    def _decoded(self, file: ImageFile) -> Tensor:
        channels = self.modality.shape[0]
        if channels not in (1, 3):
            raise GanforgeError(
                f"'{shown(str(file))}' has 1 or 3 channels, and the generator takes {channels}: leave mode.source out."
            )
        with file.open("rb") as handle:
            pixels = np.asarray(read_picture(handle, channels).image)
        stored = torch.from_numpy(pixels.reshape(*pixels.shape[:2], channels).copy()).permute(2, 0, 1)
        return torch.as_tensor(self.modality.fit(stored[None])[0]) if self.resize else stored


def own_pictures(source: str, modality: Images, resize: bool = False) -> Pictures:
    """Return the pictures of a file, a folder or an archive.

    Args:
        source: its path.
        modality: what they are.
        resize: whether they are brought to its size.

    Raises:
        GanforgeError: if there are none.
    """
    path = Path(source).expanduser()
    if path.is_file() and path.suffix.lower() != ".zip":
        return Pictures([path.stem], modality, [path], resize)
    listing = list_images(path)
    if not len(listing):
        raise GanforgeError(f"{listing.describe()}: give a picture's file, or a folder or .zip file of pictures.")
    names = ["_".join((*parts[:-1], Path(parts[-1]).stem)) for parts in listing.files]
    if len(set(names)) < len(names):
        names = ["_".join(parts) for parts in listing.files]
    return Pictures(names, modality, list(listing.files.values()), resize)

"""Images of other programs, from a folder, a zip archive or an npz file, read as they are."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ganforge.core.console import say
from ganforge.core.errors import GanforgeError
from ganforge.core.files import shown
from ganforge.data.classes import class_labels
from ganforge.data.columns import Column, Split, labelled
from ganforge.data.decoded import decode
from ganforge.data.decoder import UnreadableImage, over_white, upright_size
from ganforge.data.images import ImageSize
from ganforge.data.listing import ImageFile, Listing, list_images
from ganforge.data.modality import Images

__all__ = ["read_images"]

_KEYS = ("images", "samples", "arr_0")
_LABEL_KEYS = ("labels", "arr_1")


def read_images(path: Path, cache: Path, image_size: ImageSize | None = None) -> Split:
    """Return the images of a folder, a ``.zip`` or an ``.npz`` file; equal ones whichever they come from.

    Files are brought to 8-bit colour as docs/images.md says. All images must have one size, since resizing is part
    of the protocol, unless ``image_size`` is given; then they are scaled to cover it and the centre is kept.
    ``labels.csv`` gives their classes, or their subfolders where all lie in several.

    Args:
        path: the folder, or the file; an ``.npz`` holds uint8 images ``(n, h, w, c)``, ``(n, h, w)`` or
            ``(n, c, h, w)`` as ``images``, ``samples`` or ``arr_0``, with classes as ``labels`` or ``arr_1`` if there
            are any.
        cache: folder of decoded arrays.
        image_size: pixels of a side, or height and width; ``None``: as they are.

    Raises:
        GanforgeError: if there are none, or they are not what they should be.
    """
    is_array = path.suffix.lower() == ".npz" and path.is_file()  # reading a pipe would wait for ever
    split = _from_npz(path) if is_array else _from_files(list_images(path), cache, image_size)
    if len(split) < 2:
        raise _too_few(path, len(split))
    return split


def _too_few(path: Path, count: int) -> GanforgeError:
    held = "1 image" if count == 1 else f"{count} images"
    return GanforgeError(f"'{shown(path)}' holds {held}, and sets of at least 2 can be compared: give more.")


def _from_files(listing: Listing, cache: Path, image_size: ImageSize | None) -> Split:
    if not len(listing):
        raise GanforgeError(
            f"{listing.describe()}: give the folder or .zip file that holds the images, or an .npz file."
        )
    if listing.left_out:
        say(f"{listing.describe()}.")
    files, labels = list(listing.files.values()), class_labels(listing, least=2)
    return decode(files, labels, Images(image_size or _common_size(files, listing.place), 3), cache)


def _common_size(files: Sequence[ImageFile], place: Path) -> tuple[int, int]:
    """Return height and width of images that are all alike."""
    first: tuple[ImageFile, tuple[int, int]] | None = None
    for file in files:
        try:
            with file.open("rb") as handle:
                size = upright_size(handle)
        except (UnreadableImage, OSError):
            continue  # counted and listed when it is decoded
        first = first or (file, size)
        if size != first[1]:
            (height, width), (other, (first_height, first_width)) = size, first
            raise GanforgeError(
                f"'{shown(str(file))}' has {width} x {height} pixels and '{shown(str(other))}' {first_width} x "
                f"{first_height}; images must be of one size: resize them yourself, or add image_size=64 to scale and "
                "crop them all."
            )
    if first is None:
        raise GanforgeError(f"None of the {len(files):,} images in '{shown(place)}' can be read.")
    return first[1]


def _from_npz(path: Path) -> Split:
    try:
        with path.open("rb") as handle, np.load(handle, allow_pickle=False) as archive:
            found = {name: archive[name] for name in archive.files if name in (*_KEYS, *_LABEL_KEYS)}
    except Exception as error:  # zipfile's, zlib's and NumPy's own, and TypeError for a plain .npy by another name
        reason = str(error).partition("\n")[0]
        raise GanforgeError(f"'{shown(path)}' cannot be read as an .npz file of plain arrays ({reason}).") from error
    images = next((found[name] for name in _KEYS if name in found), None)
    if images is None or images.dtype != np.uint8 or images.ndim not in (3, 4):
        what = "none" if images is None else f"{images.dtype} of shape {images.shape}"
        raise GanforgeError(
            f"'{shown(path)}' must hold uint8 images (n, h, w, c) as {', '.join(_KEYS[:-1])} or {_KEYS[-1]}; it holds "
            f"{what}."
        )
    if len(images) < 2:
        raise _too_few(path, len(images))
    pixels = _planes(images, path)
    return labelled(Column(pixels, Images(pixels.shape[2:], pixels.shape[1])), _labels(found, len(images), path))


def _labels(found: dict[str, np.ndarray], count: int, path: Path) -> Tensor | None:
    labels = next((found[name] for name in _LABEL_KEYS if name in found), None)
    if labels is None:
        return None
    if labels.shape != (count,) or not np.issubdtype(labels.dtype, np.integer) or labels.min() < 0:
        raise GanforgeError(f"'{shown(path)}' has labels that are not one whole number >= 0 an image: leave them out.")
    return torch.from_numpy(labels.astype(np.int64))


def _planes(images: np.ndarray, path: Path) -> Tensor:
    """Return ``(n, 1 or 3, h, w)``; transparency is laid over white, as that of files is."""
    if images.ndim == 3:
        images = images[..., None]
    elif images.shape[-1] not in (1, 3, 4) and images.shape[1] in (1, 3, 4):
        images = images.transpose(0, 2, 3, 1)
    channels = images.shape[-1]
    if channels not in (1, 3, 4) or images.size == 0:
        raise GanforgeError(
            f"'{shown(path)}' holds an array of shape {images.shape}, read as (n, h, w, c) or (n, c, h, w): images "
            "have at least 1 pixel, and 1 channel (grey), 3 (colour) or 4 (colour and transparency)."
        )
    if channels == 4:
        images = np.stack([np.asarray(over_white(Image.fromarray(pixels))) for pixels in images])
    return torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2)))

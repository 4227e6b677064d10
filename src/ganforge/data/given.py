"""Images of other programs, from a folder or an npz file, read as they are."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ganforge.core.errors import GanforgeError
from ganforge.data.columns import Column, Split, labelled
from ganforge.data.decoded import decode
from ganforge.data.folder import image_files
from ganforge.data.images import ImageSize
from ganforge.data.modality import Images

__all__ = ["read_images"]

_KEYS = ("images", "samples", "arr_0")
_LABEL_KEYS = ("labels", "arr_1")


def read_images(path: Path, cache: Path, image_size: ImageSize | None = None) -> Split:
    """Return the images of a folder or an ``.npz`` file.

    Grey, transparent and 16-bit files are brought to 8-bit colour. All images must have one size, since resizing is
    part of the protocol, unless ``image_size`` is given; then they are scaled to cover it and the centre is kept.
    In a folder whose images all lie in subfolders these are classes.

    Args:
        path: the folder, or the file: uint8 images ``(n, h, w, c)``, ``(n, h, w)`` or ``(n, c, h, w)`` as
            ``images``, ``samples`` or ``arr_0``, with classes as ``labels`` or ``arr_1`` if there are any.
        cache: folder of decoded arrays.
        image_size: pixels of a side, or height and width; ``None``: as they are.

    Raises:
        GanforgeError: if there are none, or they are not what they should be.
    """
    split = _from_npz(path) if path.suffix == ".npz" else _from_folder(path, cache, image_size)
    if len(split) < 2:
        raise GanforgeError(f"'{path}' holds {len(split)} image, and sets of at least 2 can be compared: give more.")
    return split


def _from_folder(path: Path, cache: Path, image_size: ImageSize | None) -> Split:
    files = image_files(path)
    if not files:
        raise GanforgeError(f"'{path}' holds no image: give the folder that holds the images, or an .npz file.")
    names = [file.relative_to(path).parts for file in files]
    labels = None
    if all(len(parts) > 1 for parts in names):
        classes = {name: number for number, name in enumerate(sorted({parts[0] for parts in names}))}
        labels = [classes[parts[0]] for parts in names] if len(classes) > 1 else None
    return decode(files, labels, Images(image_size or _common_size(files), 3), cache)


def _common_size(files: list[Path]) -> tuple[int, int]:
    """Return height and width of images that are all alike."""
    from PIL import Image

    first: tuple[int, int] | None = None
    for file in files:
        try:
            with Image.open(file) as image:
                size = image.size
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
            continue  # counted and listed when it is decoded
        first = first or size
        if size != first:
            raise GanforgeError(
                f"'{file}' has {size[0]} x {size[1]} pixels and '{files[0]}' {first[0]} x {first[1]}; images must be "
                "of one size: resize them yourself, or add image_size=64 to scale and crop them all."
            )
    if first is None:
        raise GanforgeError(f"None of the {len(files):,} images in '{files[0].parent}' can be read.")
    return first[1], first[0]


def _from_npz(path: Path) -> Split:
    try:
        with path.open("rb") as handle, np.load(handle, allow_pickle=False) as archive:
            found = {name: archive[name] for name in archive.files if name in (*_KEYS, *_LABEL_KEYS)}
    except Exception as error:  # zipfile's, zlib's and NumPy's own, and TypeError for a plain .npy by another name
        reason = str(error).partition("\n")[0]
        raise GanforgeError(f"'{path}' cannot be read as an .npz file of plain arrays ({reason}).") from error
    images = next((found[name] for name in _KEYS if name in found), None)
    if images is None or images.dtype != np.uint8 or images.ndim not in (3, 4):
        what = "none" if images is None else f"{images.dtype} of shape {images.shape}"
        raise GanforgeError(
            f"'{path}' must hold uint8 images (n, h, w, c) as {', '.join(_KEYS[:-1])} or {_KEYS[-1]}; it holds {what}."
        )
    labels = next((found[name] for name in _LABEL_KEYS if name in found), None)
    if labels is not None and (labels.shape != (len(images),) or not np.issubdtype(labels.dtype, np.integer)):
        raise GanforgeError(f"'{path}' has labels that are not one whole number an image: leave them out.")
    pixels = _planes(images, path)
    modality = Images(pixels.shape[2:], pixels.shape[1])
    return labelled(Column(pixels, modality), None if labels is None else torch.from_numpy(labels.astype(np.int64)))


def _planes(images: np.ndarray, path: Path) -> Tensor:
    """Return ``(n, 1 or 3, h, w)``; transparency is dropped."""
    pixels = torch.from_numpy(images)
    if pixels.ndim == 3:
        return pixels[:, None]
    if pixels.shape[-1] in (1, 3, 4):
        pixels = pixels.permute(0, 3, 1, 2)
    if pixels.shape[1] == 4:
        pixels = pixels[:, :3]
    if pixels.shape[1] not in (1, 3):
        raise GanforgeError(f"'{path}' holds images of {pixels.shape[1]} channels: evaluation reads 1 or 3.")
    return pixels.contiguous()

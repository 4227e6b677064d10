"""Images as tensors: their size and value range, and grids of them."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from ganforge.core.annotations import Count
from ganforge.core.errors import GanforgeError

__all__ = ["ImageSize", "grid", "height_and_width", "loaded", "normalise", "quantise", "save_png"]

#: Pixels: the side of a square, or height and width.
ImageSize = Count | Sequence[Count]


def height_and_width(image_size: ImageSize) -> tuple[int, int]:
    """Return height and width in pixels.

    Raises:
        GanforgeError: unless ``image_size`` is one whole number >= 1, or two.
    """
    sides = tuple(image_size) if isinstance(image_size, Sequence) else (image_size, image_size)
    if len(sides) != 2 or any(not isinstance(side, int) or side < 1 for side in sides):
        raise GanforgeError(
            f"data.image_size must be a whole number of pixels >= 1, or [height, width], got {image_size}."
        )
    return sides


def loaded(load_size: ImageSize | None, height: int, width: int) -> tuple[int, int] | None:
    """Return height and width to enlarge training images to before they are cropped; ``None`` where nothing is cropped.

    Raises:
        GanforgeError: if it is less than the image's own size.
    """
    if load_size is None:
        return None
    sides = tuple(load_size) if isinstance(load_size, Sequence) else (load_size, load_size)
    if len(sides) != 2 or sides[0] < height or sides[1] < width:
        raise GanforgeError(
            f"data.load_size is what training images of {height} x {width} pixels are enlarged to before they are "
            f"cropped, got {load_size}: set it to more, such as {round(max(height, width) * 286 / 256)}, or to null."
        )
    return None if sides == (height, width) else sides


def normalise(images: Tensor) -> Tensor:
    """Map uint8 to float32 in [-1, 1]: 0 to -1 and 255 to 1."""
    return images.to(torch.float32).mul_(1 / 127.5).sub_(1)


def quantise(images: Tensor) -> Tensor:
    """Map floats in [-1, 1] to uint8 by rounding to the nearest of 256 levels; values outside are clamped."""
    return images.float().add(1).mul_(127.5).round_().clamp_(0, 255).to(torch.uint8)


def grid(images: Tensor, columns: int | None = None, padding: int = 2) -> Tensor:
    """Lay ``(n, c, h, w)`` uint8 images out as one ``(3, H, W)`` uint8 picture, row by row.

    Args:
        images: uint8; 1 channel is grey, of others the first three are the colours, black where there are two.
        columns: images a row; ``None`` makes the grid as square as it can be.
        padding: width of the white lines between images, in pixels.
    """
    from torchvision.utils import make_grid

    if columns is None:
        columns = max(1, round(len(images) ** 0.5))
    shown = images.cpu()
    if shown.shape[1] not in (1, 3):
        shown = torch.nn.functional.pad(shown[:, :3], (0, 0, 0, 0, 0, max(0, 3 - shown.shape[1])))
    picture: Tensor = make_grid(shown, nrow=columns, padding=padding, pad_value=255)
    return picture


def save_png(picture: Tensor, path: Path) -> None:
    """Write a ``(3, H, W)`` uint8 picture; a reader never sees half a file."""
    from PIL import Image

    temporary = path.with_name(f".{path.name}")
    Image.fromarray(picture.permute(1, 2, 0).contiguous().numpy()).save(temporary, format="png")
    temporary.replace(path)

"""Images as tensors: the batch, its value range, and grids for people to look at."""

from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["Batch", "grid", "normalise", "quantise", "save_png"]


class Batch(NamedTuple):
    """Images that travel together.

    Attributes:
        images: ``(n, c, h, w)``; uint8 on the way to the device, then float in [-1, 1].
        labels: ``(n,)`` int64, or ``None``.
        flip: ``(n,)`` bool, which images to mirror on the device; ``None`` once that is done, or where nothing is.
    """

    images: Tensor
    labels: Tensor | None = None
    flip: Tensor | None = None

    def split(self, parts: int) -> "list[Batch]":
        """Cut into ``parts`` batches of equal size (the last may be smaller)."""
        if parts == 1:
            return [self]
        images = self.images.chunk(parts)
        labels = [None] * len(images) if self.labels is None else list(self.labels.chunk(parts))
        return [Batch(image, label) for image, label in zip(images, labels, strict=True)]


def normalise(images: Tensor) -> Tensor:
    """Map uint8 to float32 in [-1, 1]: 0 to -1 and 255 to 1."""
    return images.to(torch.float32).mul_(1 / 127.5).sub_(1)


def quantise(images: Tensor) -> Tensor:
    """Map floats in [-1, 1] to uint8 by rounding to the nearest of 256 levels; values outside are clamped."""
    return images.float().add(1).mul_(127.5).round_().clamp_(0, 255).to(torch.uint8)


def grid(images: Tensor, columns: int | None = None, padding: int = 2) -> Tensor:
    """Lay ``(n, c, h, w)`` uint8 images out as one ``(3, H, W)`` uint8 picture, row by row.

    Args:
        images: uint8, 1 or 3 channels.
        columns: images a row; ``None`` makes the grid as square as it can be.
        padding: width of the white lines between images, in pixels.
    """
    from torchvision.utils import make_grid

    if columns is None:
        columns = max(1, round(len(images) ** 0.5))
    picture: Tensor = make_grid(images.cpu(), nrow=columns, padding=padding, pad_value=255)
    return picture


def save_png(picture: Tensor, path: Path) -> None:
    """Write a ``(3, H, W)`` uint8 picture; a reader never sees half a file."""
    from PIL import Image

    temporary = path.with_name(f".{path.name}")
    Image.fromarray(picture.permute(1, 2, 0).contiguous().numpy()).save(temporary, format="png")
    temporary.replace(path)

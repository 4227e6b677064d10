"""Bring images to the size and channels that networks expect."""

from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ganforge.core.errors import GanforgeError

__all__ = ["ChannelMismatchError", "Margin", "fit"]


class ChannelMismatchError(GanforgeError):
    """Images of a number of channels that cannot be brought to the one that is wanted.

    Attributes:
        present, wanted: the numbers.
    """

    def __init__(self, present: int, wanted: int, place: str = "data") -> None:
        super().__init__(
            f"{place}.channels={wanted} and the dataset's images have {present}: set {place}.channels={present}."
        )
        self.present, self.wanted = present, wanted


Margin = Literal["pad", "resize"]

_GREY = torch.tensor([0.299, 0.587, 0.114])  # ITU-R BT.601 luma


def fit(images: Tensor | np.ndarray, shape: tuple[int, int, int], margin: Margin) -> Tensor | np.ndarray:
    """Return ``(n, c, h, w)`` uint8 images at ``shape``: channels, height, width; themselves if they already fit.

    Grey becomes colour by repetition, colour becomes grey by ITU-R BT.601 luma. Smaller images are padded with black
    where ``margin`` is ``"pad"``; otherwise they are scaled until they cover the shape (antialiased bilinear) and the
    centre is cut out. Images that do not fit must be in memory.

    Raises:
        GanforgeError: if they have another number of channels, and it is not grey to colour or back.
    """
    if images.shape[1:] == shape:
        return images
    stored = torch.as_tensor(images)
    parts = [_fit(part, shape, margin) for part in stored.split(4096)]
    return torch.cat(parts) if parts else stored


def _fit(images: Tensor, shape: tuple[int, int, int], margin: Margin) -> Tensor:
    channels, wanted_height, wanted_width = shape
    images = _with_channels(images, channels)
    height, width = images.shape[-2:]
    if margin == "pad" and height <= wanted_height and width <= wanted_width:
        top, left = (wanted_height - height) // 2, (wanted_width - width) // 2
        return F.pad(images, (left, wanted_width - width - left, top, wanted_height - height - top))
    scale = max(wanted_height / height, wanted_width / width)
    size = (max(wanted_height, round(height * scale)), max(wanted_width, round(width * scale)))
    if size != (height, width):
        resized = F.interpolate(images.float(), size, mode="bilinear", antialias=True, align_corners=False)
        images = resized.round_().clamp_(0, 255).to(torch.uint8)
    top, left = (size[0] - wanted_height) // 2, (size[1] - wanted_width) // 2
    return images[:, :, top : top + wanted_height, left : left + wanted_width].contiguous()


def _with_channels(images: Tensor, channels: int) -> Tensor:
    present = images.shape[1]
    if present == channels:
        return images
    if (present, channels) == (1, 3):
        return images.expand(-1, 3, -1, -1)
    if (present, channels) == (3, 1):
        return (images.float() * _GREY[:, None, None]).sum(1, keepdim=True).round_().to(torch.uint8)
    raise ChannelMismatchError(present, channels)

"""Bring images to the size and channels that networks expect."""

import torch
from torch import Tensor
from torch.nn import functional as F

from ganforge.data.arrays import ImageArray

__all__ = ["fit"]

_GREY = torch.tensor([0.299, 0.587, 0.114])  # ITU-R BT.601 luma


def fit(array: ImageArray, image_size: int, channels: int, margin: str) -> ImageArray:
    """Return ``array`` at ``image_size`` pixels and ``channels`` channels; itself if it already fits.

    Grey becomes colour by repetition, colour becomes grey by ITU-R BT.601 luma. Smaller images are padded with black
    where ``margin`` is ``"pad"``; otherwise the shorter side is scaled (antialiased bilinear) and the centre is cut
    out. Images that do not fit must be in memory.
    """
    images = array.images
    if images.shape[1:] == (channels, image_size, image_size):
        return array
    images = torch.as_tensor(images)
    parts = [_fit(part, image_size, channels, margin) for part in images.split(4096)]
    return ImageArray(torch.cat(parts) if parts else images, array.labels)


def _fit(images: Tensor, image_size: int, channels: int, margin: str) -> Tensor:
    if images.shape[1] != channels:
        images = images.expand(-1, 3, -1, -1) if channels == 3 else _luma(images)
    height, width = images.shape[-2:]
    if margin == "pad" and max(height, width) <= image_size:
        top, left = (image_size - height) // 2, (image_size - width) // 2
        return F.pad(images, (left, image_size - width - left, top, image_size - height - top))
    scale = image_size / min(height, width)
    size = (max(image_size, round(height * scale)), max(image_size, round(width * scale)))
    if size != (height, width):
        resized = F.interpolate(images.float(), size, mode="bilinear", antialias=True, align_corners=False)
        images = resized.round_().clamp_(0, 255).to(torch.uint8)
    top, left = (size[0] - image_size) // 2, (size[1] - image_size) // 2
    return images[:, :, top : top + image_size, left : left + image_size].contiguous()


def _luma(images: Tensor) -> Tensor:
    return (images.float() * _GREY[:, None, None]).sum(1, keepdim=True).round_().to(torch.uint8)

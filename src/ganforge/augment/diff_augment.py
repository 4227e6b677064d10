"""DiffAugment: a few strong, differentiable augmentations, always on."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from ganforge.augment.base import Augment, require_images
from ganforge.core.errors import GanforgeError

__all__ = ["DiffAugment"]


class DiffAugment(Augment):
    """The augmentations of "Differentiable augmentation for data-efficient GAN training" (Zhao et al. 2020).

    * ``color``: adds a brightness in [-1/2, 1/2), scales saturation about each pixel's mean by [0, 2) and
      contrast about the image's mean by [1/2, 3/2); a grey image has no saturation to scale.
    * ``translation``: by whole pixels, uniform, up to 1/8 of the size along each axis, zeros moving in.
    * ``cutout``: zeroes a box of half the size along each axis, its centre uniform over the image, clipped at
      the border.

    Parts of a size are rounded to the nearest whole number, halves up. Distributions are those of the official
    PyTorch code. Its policies: translation and cutout for BigGAN on CIFAR; color and cutout for StyleGAN2 on all of
    CIFAR; all three for StyleGAN2 on less data and on FFHQ.

    Args:
        policy: the augmentations, in the order in which they are applied.
    """

    def __init__(self, policy: Sequence[str] = ("color", "translation", "cutout")) -> None:
        super().__init__()
        if isinstance(policy, str) or not set(policy) <= set(_AUGMENTATIONS):
            raise GanforgeError(f"DiffAugment: policy must be a list of {', '.join(_AUGMENTATIONS)}, got {policy!r}.")
        self.policy = tuple(policy)

    def forward(self, images: Tensor) -> Tensor:
        """See :class:`~ganforge.augment.base.Augment`."""
        require_images("augment=diff_augment", images)
        for name in self.policy:
            images = _AUGMENTATIONS[name](images)
        return images


def _uniform(images: Tensor, low: float, high: float) -> Tensor:
    return torch.empty(len(images), 1, 1, 1, device=images.device).uniform_(low, high).to(images.dtype)


def _color(images: Tensor) -> Tensor:
    images = images + _uniform(images, -0.5, 0.5)
    grey = images.mean(dim=1, keepdim=True)
    images = torch.lerp(grey, images, _uniform(images, 0, 2))
    mean = images.mean(dim=(1, 2, 3), keepdim=True)
    return torch.lerp(mean, images, _uniform(images, 0.5, 1.5))


def _part(size: int, share: float) -> int:
    return int(size * share + 0.5)


def _translation(images: Tensor) -> Tensor:
    for axis, column in ((2, (1, 1, -1, 1)), (3, (1, 1, 1, -1))):
        reach = _part(images.shape[axis], 0.125)
        shape = images.shape
        start = torch.randint(0, 2 * reach + 1, (len(images), 1, 1, 1), device=images.device)
        source = start + torch.arange(shape[axis], device=images.device).view(column)
        padding = (0, 0, reach, reach) if axis == 2 else (reach, reach)
        images = F.pad(images, padding).gather(axis, source.expand(shape))
    return images


def _cutout(images: Tensor) -> Tensor:
    n, _, *sizes = images.shape
    inside = []
    for size in sizes:
        box = _part(size, 0.5)
        start = torch.randint(-(box // 2), size + 1 - box % 2 - box // 2, (n, 1), device=images.device)
        position = torch.arange(size, device=images.device)
        inside.append((position >= start) & (position < start + box))
    hole = inside[0][:, None, :, None] & inside[1][:, None, None, :]
    return images.masked_fill(hole, 0)


_AUGMENTATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "color": _color,
    "translation": _translation,
    "cutout": _cutout,
}

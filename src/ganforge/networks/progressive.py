"""Progressive growing of GANs (Karras et al. 2018), after the official code's ``G_paper`` and ``D_paper``.

Both networks hold every resolution's layers from the start and a buffer ``level_of_detail`` that a schedule
sets (``network.level_of_detail.fill_(value)``), the same in both: 0 is the full resolution, ``k`` is ``2^k``
times smaller, and in between the two neighbouring resolutions are blended linearly. Shapes outside the
networks never change: the generator repeats pixels up to the full size and the discriminator averages them
down again. Real images have to be given the same lower resolution by :func:`at_level`. Parameters of unused
resolutions get no gradient.

Initialisation is the official one: weights N(0, 1) under equalised learning rate with gain sqrt(2) before a
leaky ReLU (0.2), sqrt(2)/4 for the generator's first layer, 1 for layers that draw images or scores; biases
zero. As in ``fused_scale``, the official default, the discriminator averages between convolution and
activation.

Deviation: one level for all samples is read as a Python number, at the cost of one device synchronisation a
forward.
"""

from itertools import pairwise
from math import sqrt
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganforge.core.annotations import Count
from ganforge.core.errors import GanforgeError
from ganforge.data.images import ImageSize
from ganforge.networks.critique import Critique
from ganforge.networks.equalized import (
    EqualizedConvolution,
    EqualizedLinear,
    MinibatchStd,
    channels_at,
    pixel_norm,
    require_labels,
    resolutions,
)

__all__ = ["Discriminator", "Generator", "at_level"]

_BOX = (1, 1)
_HE = sqrt(2)


def _split(level: float, coarsest: int) -> tuple[int, float]:
    """Return the whole level, at most ``coarsest``, and the fraction by which the next is mixed in."""
    level = min(max(level, 0.0), float(coarsest))
    return int(level), level - int(level)


def _shrink(images: Tensor, factor: int) -> Tensor:
    return images if factor == 1 else F.avg_pool2d(images, factor)


def _grow(images: Tensor, factor: int) -> Tensor:
    return images if factor == 1 else F.interpolate(images, scale_factor=factor, mode="nearest")


def at_level(images: Tensor, level: float) -> Tensor:
    """Give real images the detail of ``level``, at their full size (official ``process_reals``).

    Args:
        images: ``(n, c, h, w)``, ``h`` and ``w`` powers of two of at least 4.
        level: as the networks' ``level_of_detail``.
    """
    whole, fade = _split(level, min(images.shape[-2:]).bit_length() - 3)
    images = _shrink(images, 2**whole)
    if fade:
        images = torch.lerp(images, _grow(_shrink(images, 2), 2), fade)
    return _grow(images, 2**whole)


class _Normalised(nn.Module):
    """Equalised 3x3 convolution, leaky ReLU, pixel norm."""

    def __init__(self, inputs: int, outputs: int, resample: Literal["up"] | None = None) -> None:
        super().__init__()
        self.convolution = EqualizedConvolution(inputs, outputs, 3, gain=_HE, resample=resample, taps=_BOX)

    def forward(self, x: Tensor) -> Tensor:
        return pixel_norm(F.leaky_relu(self.convolution(x), 0.2))


class _Seed(nn.Module):
    """From the latent, scaled to unit mean square, to 4x4 feature maps."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.dense = EqualizedLinear(inputs, width * 16, gain=_HE / 4, bias=None)
        self.bias = nn.Parameter(torch.zeros(width, 1, 1))
        self.second = _Normalised(width, width)

    def forward(self, latent: Tensor) -> Tensor:
        x = self.dense(pixel_norm(latent)).unflatten(1, (-1, 4, 4))
        x = pixel_norm(F.leaky_relu(x + self.bias.to(x.dtype), 0.2))
        return self.second(x)  # type: ignore[no-any-return]


class Generator(nn.Module):
    """ProGAN's generator; a label enters as a one-hot vector beside the latent.

    Args:
        image_size: a power of two from 8 to 1024.
        channels: of the images.
        latent_dim: of the latent.
        classes: number of classes; ``None`` for an unconditional generator.
        channel_base: feature maps at size ``s`` are ``2 * channel_base / s`` (official ``fmap_base``).
        channel_max: most feature maps anywhere.

    Raises:
        GanforgeError: for an impossible size.
    """

    level_of_detail: Tensor

    def __init__(
        self,
        image_size: ImageSize = 32,
        channels: Count = 3,
        latent_dim: Count = 512,
        classes: Count | None = None,
        channel_base: Count = 8192,
        channel_max: Count = 512,
    ) -> None:
        super().__init__()
        sizes = resolutions("network=progressive", image_size)
        widths = channels_at(sizes, 2 * channel_base, channel_max)
        self.classes = classes
        self.stages = nn.ModuleList([_Seed(latent_dim + (classes or 0), widths[0])])
        for inputs, outputs in pairwise(widths):
            self.stages.append(nn.Sequential(_Normalised(inputs, outputs, "up"), _Normalised(outputs, outputs)))
        self.to_images = nn.ModuleList(EqualizedConvolution(width, channels, 1) for width in widths)
        self.register_buffer("level_of_detail", torch.zeros(()))

    def forward(self, latent: Tensor, condition: Tensor | None = None) -> Tensor:
        """Map ``(n, latent_dim)``, labels ``(n,)`` to unbounded ``(n, channels, image_size, image_size)``."""
        x = latent
        if self.classes is not None:
            labels = F.one_hot(require_labels(condition, self.classes), self.classes)
            x = torch.cat([x, labels.to(x.dtype)], 1)
        coarsest = len(self.stages) - 1
        whole, fade = _split(self.level_of_detail.item(), coarsest)
        finest = coarsest - whole
        coarser = x
        for stage in self.stages[: finest + 1]:
            coarser, x = x, stage(x)
        images: Tensor = self.to_images[finest](x)
        if fade:
            images = torch.lerp(images, _grow(self.to_images[finest - 1](coarser), 2), fade)
        return _grow(images, 2**whole)


class _Down(nn.Module):
    """Equalised convolution, then one to half the size."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.first = EqualizedConvolution(inputs, inputs, 3, gain=_HE)
        self.second = EqualizedConvolution(inputs, outputs, 3, gain=_HE, resample="down", taps=_BOX)

    def forward(self, x: Tensor) -> Tensor:
        return F.leaky_relu(self.second(F.leaky_relu(self.first(x), 0.2)), 0.2)


class Discriminator(nn.Module):
    """ProGAN's discriminator; with classes it also has an auxiliary class head, and takes no condition.

    Args:
        image_size: a power of two from 8 to 1024.
        channels: of the images.
        classes: number of classes of the head; ``None`` for no head.
        channel_base: feature maps at size ``s`` are ``2 * channel_base / s`` (official ``fmap_base``).
        channel_max: most feature maps anywhere.
        group_size: of the minibatch standard deviation.
        minibatch_std: whether the statistic is appended ``"before"`` the last 3x3 convolution (paper and
            official code) or ``"after"`` it (mmgeneration).

    Raises:
        GanforgeError: for an impossible size, group or place of the statistic.
    """

    level_of_detail: Tensor

    def __init__(
        self,
        image_size: ImageSize = 32,
        channels: Count = 3,
        classes: Count | None = None,
        channel_base: Count = 8192,
        channel_max: Count = 512,
        group_size: Count = 4,
        minibatch_std: Literal["before", "after"] = "before",
    ) -> None:
        super().__init__()
        sizes = resolutions("network=progressive", image_size)
        if minibatch_std not in ("before", "after"):
            raise GanforgeError(
                f"ProGAN discriminator: minibatch_std must be 'before' or 'after', got '{minibatch_std}'."
            )
        widths = channels_at(sizes, 2 * channel_base, channel_max)
        width, extra = widths[0], (1, 0) if minibatch_std == "before" else (0, 1)
        convolution = [EqualizedConvolution(width + extra[0], width, 3, gain=_HE), nn.LeakyReLU(0.2)]
        statistic = MinibatchStd(group_size)
        last = [statistic, *convolution] if minibatch_std == "before" else [*convolution, statistic]
        features = min(channel_base, channel_max)
        dense = EqualizedLinear((width + extra[1]) * 16, features, gain=_HE)
        self.stages = nn.ModuleList([nn.Sequential(*last, nn.Flatten(), dense, nn.LeakyReLU(0.2))])
        self.stages.extend(_Down(inputs, outputs) for outputs, inputs in pairwise(widths))
        self.from_images = nn.ModuleList(
            nn.Sequential(EqualizedConvolution(channels, width, 1, gain=_HE), nn.LeakyReLU(0.2)) for width in widths
        )
        self.out = EqualizedLinear(features, 1 + (classes or 0))
        self.register_buffer("level_of_detail", torch.zeros(()))

    def forward(self, images: Tensor, condition: Tensor | None = None) -> Critique:
        """Score ``(n, channels, image_size, image_size)`` at the current level; reads no condition."""
        coarsest = len(self.stages) - 1
        whole, fade = _split(self.level_of_detail.item(), coarsest)
        finest = coarsest - whole
        images = _shrink(images, 2**whole)
        x = self.stages[finest](self.from_images[finest](images))
        if fade:
            x = torch.lerp(x, self.from_images[finest - 1](_shrink(images, 2)), fade)
        for stage in reversed(self.stages[:finest]):
            x = stage(x)
        out = self.out(x)
        class_logits = out[:, 1:] if out.shape[1] > 1 else None
        return Critique(out[:, 0], features=x, class_logits=class_logits)

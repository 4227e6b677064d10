"""Layers of the progressive and style-based families: equalised weights, resampling, statistics.

Equalised learning rate (Karras et al. 2018, section 4.1): weights are drawn from N(0, 1) and scaled at run
time by ``gain / sqrt(fan_in)``, so that Adam moves every layer at the same relative speed.

Resampling is NVIDIA's ``upfirdn2d`` restricted to what these papers use: a factor of two and an even number
of filter taps, as depthwise convolutions. ``(1, 3, 3, 1)`` is StyleGAN2's and R3GAN's filter; ``(1, 1)``
gives nearest-neighbour upsampling and average pooling, ProGAN's. Blurs run in the dtype of their input,
autocast or not, as the official kernels do.
"""

from collections.abc import Sequence
from math import sqrt
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganforge.core.annotations import Count
from ganforge.core.errors import GanforgeError
from ganforge.data.images import ImageSize
from ganforge.networks.checks import square

__all__ = [
    "EqualizedConvolution",
    "EqualizedLinear",
    "MinibatchStd",
    "Resample",
    "blur_kernel",
    "channels_at",
    "convolve",
    "downsample",
    "full_precision",
    "leaky",
    "pixel_norm",
    "require_labels",
    "resolutions",
    "upsample",
    "widened",
]

Resample = Literal["up", "down"]


def resolutions(owner: str, image_size: ImageSize) -> list[int]:
    """Return ``[4, 8, ..., image_size]``.

    Raises:
        GanforgeError: if ``image_size`` is not a power of two from 8 to 1024; ``owner`` is the network option.
    """
    valid = [2**exponent for exponent in range(3, 11)]
    side = square(image_size, owner)
    if side not in valid:
        raise GanforgeError(
            f"{owner}: image_size must be one of {', '.join(map(str, valid))}, got {side}; "
            "resize or pad the images to one of these."
        )
    return [size for size in (4, *valid) if size <= side]


def channels_at(sizes: Sequence[int], channel_base: int, channel_max: int) -> list[int]:
    """Return the feature maps at each of ``sizes``, ``channel_base / size`` and at most ``channel_max``; GanforgeError
    where that is none.
    """
    channels = [min(channel_base // size, channel_max) for size in sizes]
    if min(channels) < 1:
        raise GanforgeError(
            f"network.channel_base and channel_max leave no feature map at {max(sizes)} pixels: raise them."
        )
    return channels


def require_labels(condition: Tensor | None, classes: int) -> Tensor:
    """Return int64 labels ``(n,)``; a :class:`GanforgeError` if a class-conditional network got none."""
    if condition is None:
        raise GanforgeError(
            f"condition is None, but the network was built with classes={classes}; "
            "give it labels, or build it with classes=null."
        )
    return condition


def widened(x: Tensor) -> Tensor:
    """Return ``x`` in float32, or in float64 if it is that: for sums that need more than bfloat16's precision."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def full_precision(x: Tensor) -> torch.autocast:
    """Return a context in which autocast is off on ``x``'s device."""
    return torch.autocast(x.device.type, enabled=False)


def leaky(x: Tensor, gain: float = sqrt(2)) -> Tensor:
    """Return ``gain * leaky_relu(x, 0.2)``; the gain of sqrt(2) is StyleGAN2's (official 'lrelu')."""
    return F.leaky_relu(x, 0.2) * gain


def pixel_norm(x: Tensor) -> Tensor:
    """Scale ``(n, c, ...)`` to unit mean square over ``c`` (Karras et al. 2018, section 4.2)."""
    return x * (widened(x).square().mean(1, keepdim=True) + 1e-8).rsqrt().to(x.dtype)


def blur_kernel(taps: Sequence[float]) -> Tensor:
    """Return the ``(t, t)`` separable low-pass kernel of an even number of ``taps``, summing to one."""
    line = torch.tensor(taps, dtype=torch.float32)
    return torch.outer(line, line) / line.sum() ** 2


def _blur(x: Tensor, kernel: Tensor, padding: int, stride: int = 1) -> Tensor:
    """Convolve every channel with ``kernel`` (symmetric) over zero padding."""
    with full_precision(x):
        weight = kernel.to(x.dtype).expand(x.shape[1], 1, -1, -1)
        return F.conv2d(x, weight, padding=padding, stride=stride, groups=x.shape[1])


def upsample(x: Tensor, kernel: Tensor) -> Tensor:
    """Double ``(n, c, h, w)`` with a :func:`blur_kernel` (official ``upsample2d``)."""
    with full_precision(x):
        weight = (4 * kernel).to(x.dtype).expand(x.shape[1], 1, -1, -1)
        return F.conv_transpose2d(x, weight, padding=len(kernel) // 2 - 1, stride=2, groups=x.shape[1])


def downsample(x: Tensor, kernel: Tensor) -> Tensor:
    """Halve ``(n, c, h, w)`` with a :func:`blur_kernel` (official ``downsample2d``)."""
    return _blur(x, kernel, padding=len(kernel) // 2 - 1, stride=2)


def convolve(x: Tensor, weight: Tensor, kernel: Tensor, resample: Resample | None) -> Tensor:
    """Convolve, resampling by two with a blur on the side of the larger image (official ``conv2d_resample``).

    Args:
        x: ``(n, inputs, h, w)``.
        weight: ``(outputs, inputs, k, k)`` with ``k`` 1 or 3. As in the official code, upsampling applies it
            as a transposed convolution, so mirrored with respect to the other two modes.
        kernel: from :func:`blur_kernel`.
        resample: ``"up"``, ``"down"`` or ``None``.

    Returns:
        ``(n, outputs, 2h, 2w)``, ``(n, outputs, h/2, w/2)`` or ``(n, outputs, h, w)``.
    """
    margin = weight.shape[-1] // 2
    if resample is None:
        return F.conv2d(x, weight, padding=margin)
    if resample == "up":
        x = F.conv_transpose2d(x, weight.transpose(0, 1), stride=2)
        return _blur(x, 4 * kernel, padding=len(kernel) // 2 - margin)
    if margin == 0:
        return F.conv2d(downsample(x, kernel), weight)
    return F.conv2d(_blur(x, kernel, padding=margin + len(kernel) // 2 - 1), weight, stride=2)


class EqualizedLinear(nn.Module):
    """Linear layer ``(n, inputs) -> (n, outputs)`` with equalised weights.

    Args:
        inputs: features in.
        outputs: features out.
        gain: of the weights; He's sqrt(2) where a plain leaky ReLU follows.
        multiplier: of the learning rate, for weight and bias (StyleGAN2's mapping network: 0.01).
        bias: initial value of the bias parameter before ``multiplier``; ``None`` for no bias.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        gain: float = 1.0,
        multiplier: float = 1.0,
        bias: float | None = 0.0,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / multiplier)
        self.bias = None if bias is None else nn.Parameter(torch.full((outputs,), bias))
        self.scale = gain * multiplier / sqrt(inputs)
        self.multiplier = multiplier

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(n, inputs)`` to ``(n, outputs)``."""
        bias = None if self.bias is None else self.bias * self.multiplier
        return F.linear(x, self.weight * self.scale, bias)


class EqualizedConvolution(nn.Module):
    """Convolution of odd size with equalised weights, zero padding and optional resampling.

    Args:
        inputs: channels in.
        outputs: channels out.
        size: of the kernel, 1 or 3.
        gain: of the weights; He's sqrt(2) where a plain leaky ReLU follows.
        bias: initial value of the bias; ``None`` for no bias.
        resample: ``"up"`` doubles and ``"down"`` halves the image, see :func:`convolve`.
        taps: of the resampling filter.
    """

    kernel: Tensor

    def __init__(
        self,
        inputs: int,
        outputs: int,
        size: int,
        *,
        gain: float = 1.0,
        bias: float | None = 0.0,
        resample: Resample | None = None,
        taps: Sequence[float] = (1, 3, 3, 1),
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, size, size))
        self.bias = None if bias is None else nn.Parameter(torch.full((outputs, 1, 1), bias))
        self.scale = gain / sqrt(inputs * size**2)
        self.resample = resample
        self.register_buffer("kernel", blur_kernel(taps), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(n, inputs, h, w)`` to ``(n, outputs, h', w')``."""
        x = convolve(x, self.weight * self.scale, self.kernel, self.resample)
        return x if self.bias is None else x + self.bias.to(x.dtype)


class MinibatchStd(nn.Module):
    """Append one channel: the mean standard deviation of the sample's group (Karras et al. 2018, section 3).

    The batch is split into groups of ``group_size`` samples that lie ``n / group_size`` apart, as in the
    official code. Deviation: where ``group_size`` does not divide ``n``, on which the official code fails,
    the largest divisor below it is used.

    Args:
        group_size: samples a statistic is taken over.
    """

    def __init__(self, group_size: Count = 4) -> None:
        super().__init__()
        if group_size < 1:
            raise GanforgeError(f"MinibatchStd: group_size must be a whole number >= 1, got {group_size}.")
        self.group_size = group_size

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(n, c, h, w)`` to ``(n, c + 1, h, w)``; the statistic is computed in float32."""
        samples, _, height, width = x.shape
        group = next(size for size in range(min(self.group_size, samples), 0, -1) if samples % size == 0)
        grouped = widened(x).reshape(group, samples // group, *x.shape[1:])
        deviation = (grouped.var(0, correction=0) + 1e-8).sqrt().mean((1, 2, 3))
        channel = deviation.to(x.dtype).repeat(group)[:, None, None, None].expand(-1, 1, height, width)
        return torch.cat([x, channel], 1)

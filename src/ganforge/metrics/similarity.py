"""MS-SSIM as its authors compute it (Wang, Simoncelli and Bovik 2003)."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["multi_scale_similarity"]

_WINDOW, _SIGMA = 11, 1.5  # pixels
_LUMINANCE, _CONTRAST = 0.01**2, 0.03**2  # C1 and C2 for values in [0, 1]


def multi_scale_similarity(first: Tensor, second: Tensor, weights: Sequence[float]) -> Tensor:
    """Return the MS-SSIM of pairs of images (equation 7), ``(n,)``.

    Means are over windows inside the image and over channels. Between scales blocks of 2 x 2 pixels are averaged. Where
    a scale has fewer than 11 pixels the window has as many and a deviation in proportion. Negative means count as 0.

    Args:
        first, second: ``(n, c, h, w)`` in [0, 1].
        weights: exponents by scale, finest first.
    """
    first, second = first.float(), second.float()
    value = torch.ones(len(first), device=first.device)
    for scale, weight in enumerate(weights):
        luminance, structure = _terms(first, second)
        last = scale == len(weights) - 1
        mean = (luminance * structure if last else structure).flatten(1).mean(1)
        value = value * mean.clamp(min=0) ** weight
        first, second = (
            F.avg_pool2d(one, 2, ceil_mode=True) if min(one.shape[-2:]) > 1 else one for one in (first, second)
        )
    return value


def _terms(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """Return luminance, and contrast times structure, of each window (equations 4 to 6)."""
    mean1, mean2 = _blur(first), _blur(second)
    variances = _blur(first * first) - mean1 * mean1 + _blur(second * second) - mean2 * mean2
    covariance = _blur(first * second) - mean1 * mean2
    luminance = (2 * mean1 * mean2 + _LUMINANCE) / (mean1 * mean1 + mean2 * mean2 + _LUMINANCE)
    return luminance, (2 * covariance + _CONTRAST) / (variances + _CONTRAST)


def _blur(images: Tensor) -> Tensor:
    """Average over each Gaussian window that lies inside the image."""
    size = min(_WINDOW, *images.shape[-2:])
    places = torch.arange(size, device=images.device, dtype=images.dtype) - (size - 1) / 2
    taps = torch.exp(-((places / (_SIGMA * size / _WINDOW)) ** 2) / 2)
    taps = taps / taps.sum()
    channels = images.shape[1]
    rows, columns = taps.view(1, 1, -1, 1), taps.view(1, 1, 1, -1)
    for kernel in (rows, columns):
        images = F.conv2d(images, kernel.expand(channels, 1, -1, -1), groups=channels)
    return images

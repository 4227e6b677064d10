"""Distances between translated pictures and what they should be: PSNR, SSIM, L1; and the error of the way back."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from ganforge.core.errors import GanforgeError
from ganforge.metrics.comparison import Comparison
from ganforge.metrics.directions import Better
from ganforge.metrics.inputs import field

__all__ = ["CycleError", "PixelFidelity", "structural_similarity"]

#: What images are compared in: their own channels, or luma of ITU-R BT.601, from 16 to 235.
Space = Literal["rgb", "luma"]
_BATCH = 256  # images compared at a time


def _values(images: Tensor, space: Space, border: int) -> Tensor:
    """Return uint8 images as float64 in [0, 1], without their border."""
    values = images.double() / 255
    if space == "luma" and images.shape[1] == 3:
        weights = torch.tensor([65.481, 128.553, 24.966], dtype=torch.float64) / 255
        values = (values * weights[:, None, None]).sum(1, keepdim=True) + 16 / 255
    return values[:, :, border : values.shape[2] - border, border : values.shape[3] - border]


def structural_similarity(first: Tensor, second: Tensor) -> Tensor:
    """Return the mean structural similarity of each pair (Wang et al. 2004, equation 13), ``(n,)``.

    A Gaussian window of 11 pixels and sigma 1.5, K1 0.01, K2 0.03; only places whose window lies within the image; the
    mean over channels. Smaller images have the largest odd window that they hold. torchmetrics averages over reflected
    borders too.

    Args:
        first, second: ``(n, c, h, w)`` floats in [0, 1].
    """
    side = min(11, *first.shape[2:])
    side -= 1 - side % 2
    at = torch.arange(side, dtype=first.dtype) - side // 2
    window = torch.exp(-(at**2) / (2 * 1.5**2))
    window = window / window.sum()
    channels = first.shape[1]

    def blur(images: Tensor) -> Tensor:
        rows = F.conv2d(images, window.view(1, 1, side, 1).expand(channels, 1, side, 1), groups=channels)
        return F.conv2d(rows, window.view(1, 1, 1, side).expand(channels, 1, 1, side), groups=channels)

    means = blur(first), blur(second)
    variances = blur(first**2) - means[0] ** 2, blur(second**2) - means[1] ** 2
    covariance = blur(first * second) - means[0] * means[1]
    small = 0.01**2, 0.03**2
    luminance = (2 * means[0] * means[1] + small[0]) / (means[0] ** 2 + means[1] ** 2 + small[0])
    structure = (2 * covariance + small[1]) / (variances[0] + variances[1] + small[1])
    return (luminance * structure).mean((1, 2, 3))


@dataclass(frozen=True)
class PixelFidelity:
    """How near translated pictures are to their targets, pixel by pixel; means over pictures.

    ``psnr`` is the peak signal-to-noise ratio in dB, ``10 log10(1 / E[(G(x) - y)^2])`` of each picture (at most 100,
    for equal ones), ``ssim`` their structural similarity, and ``l1`` ``E|G(x) - y|``, all of values in [0, 1].

    Attributes:
        space: ``rgb``: the images' own channels; ``luma``: Y of BT.601, the custom in super-resolution.
        border: pixels left out on every side.
    """

    space: Space = "rgb"
    border: int = 0
    needs: ClassVar[frozenset[str]] = frozenset({"fake_images", "target_images"})
    better: ClassVar[Better] = {"psnr": "greater", "ssim": "greater", "l1": "less"}

    def __post_init__(self) -> None:
        if self.space not in ("rgb", "luma") or self.border < 0:
            raise GanforgeError("PixelFidelity: space must be 'rgb' or 'luma', and border at least 0.")

    def __call__(self, comparison: Comparison) -> dict[str, float]:
        """See :class:`~ganforge.metrics.comparison.Metric`."""

        def measure(fake: Tensor, target: Tensor) -> Tensor:
            found, wanted = (_values(images, self.space, self.border) for images in (fake, target))
            errors = (found - wanted).square().mean((1, 2, 3)).clamp_min(1e-10)
            absolute = (found - wanted).abs().mean((1, 2, 3))
            return torch.stack([-10 * errors.log10(), structural_similarity(found, wanted), absolute], 1)

        means = _means(measure, field(comparison, "fake_images"), field(comparison, "target_images"))
        return dict(zip(("psnr", "ssim", "l1"), means, strict=True))


@dataclass(frozen=True)
class CycleError:
    """``cycle_l1``: ``E|F(G(x)) - x|`` of pictures translated there and back, values in [0, 1] (Zhu et al. 2017).

    A low error is no proof of a good translation: a network can hide its source in what it draws (Chu et al. 2017).
    """

    needs: ClassVar[frozenset[str]] = frozenset({"source_images", "cycle_images"})
    better: ClassVar[Better] = {"cycle_l1": "less"}

    def __call__(self, comparison: Comparison) -> dict[str, float]:
        """See :class:`~ganforge.metrics.comparison.Metric`."""

        def measure(source: Tensor, back: Tensor) -> Tensor:
            return (source.double() - back.double()).abs().mean((1, 2, 3))[:, None] / 255

        (mean,) = _means(measure, field(comparison, "source_images"), field(comparison, "cycle_images"))
        return {"cycle_l1": mean}


def _means(measure: Callable[[Tensor, Tensor], Tensor], first: Tensor, second: Tensor) -> list[float]:
    """Return the means of ``measure``'s columns over pairs of images.

    Raises:
        GanforgeError: if images of a pair are of two sizes.
    """
    if first.shape != second.shape:
        raise GanforgeError(
            f"Pictures of {tuple(first.shape[1:])} cannot be compared with targets of {tuple(second.shape[1:])}: "
            "choose data alike on both sides."
        )
    parts = [measure(*pair) for pair in zip(first.split(_BATCH), second.split(_BATCH), strict=True)]
    means: list[float] = torch.cat(parts).mean(0).tolist()
    return means

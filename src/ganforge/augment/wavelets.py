"""Resampling images through orthogonal wavelets, and equalising their frequency bands.

Both are parts of ADA's pipe (Karras et al. 2020a, appendix B). Both act along rows and columns one after the
other, so both are products with matrices built for the image's size: fast for images of up to about a hundred
pixels, without a compiled extension. Their cost grows with the third power of the size, that of the official
code's convolutions with the second. Under TF32 they are as exact as TF32 is.
"""

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import BackwardCFunction
from torch.nn import functional as F

__all__ = ["BANDS", "equalise", "warp"]

# Low-pass filters of the symlets 6 and 2 (Daubechies 1992), in units where their squares sum to 1.
_SYM6 = (
    0.015404109327027373,
    0.0034907120842174702,
    -0.11799011114819057,
    -0.048311742585633,
    0.4910559419267466,
    0.787641141030194,
    0.3379294217276218,
    -0.07263752278646252,
    -0.021060292512300564,
    0.04472490177066578,
    0.0017677118642428036,
    -0.007800708325034148,
)
_SYM6_CENTRE = 5  # the tap about which the filter is all but symmetric
_SYM2 = (-0.12940952255092145, 0.22414386804185735, 0.836516303737469, 0.48296291314469025)


def _band_filters(levels: int = 3) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """``(levels + 1, taps)`` filters for the octaves of a signal, lowest first; their sum is an impulse."""
    low = np.convolve(_SYM2, _SYM2[::-1]) / 2  # the squared response; mirrored in frequency, the high-pass's
    high = low * np.array([-1, 1, -1, 1, -1, 1, -1])
    bands = [np.ones(1)]
    for _ in range(levels):
        dilated = [np.insert(band, np.arange(1, band.size), 0) for band in bands]
        bands = [np.convolve(band, low) for band in dilated]
        bands.append(np.pad(high, (bands[0].size - high.size) // 2))
    return np.stack(bands)


_BAND_FILTERS = _band_filters()
#: The number of frequency bands that :func:`equalise` can amplify.
BANDS = len(_BAND_FILTERS)


def warp(images: Tensor, matrix: Tensor, offset: Tensor) -> Tensor:
    """Resample images under affine maps, twofold up and down again by sym6; the identity map changes nothing.

    Coordinates are in pixels from the image's centre, x to the right and y down. Beyond its border the image
    is reflected, once, and then zero. Waits for the device once; on CUDA, its gradient is not deterministic.

    Args:
        images: ``(n, c, h, w)``.
        matrix: ``(n, 2, 2)``; with ``offset``, output pixel ``o`` shows input point ``matrix @ o + offset``.
        offset: ``(n, 2)``.
    """
    height, width = images.shape[-2:]
    size = images.new_tensor([width, height])
    # The outputs reach 3 pixels beyond the image, and what is sampled draws on 3.5 more to either side.
    reach = matrix.abs() @ ((size - 1) / 2 + 3) + offset.abs() - (size - 1) / 2 + 3.5
    margin = int(reach.amax().ceil().clamp(0, min(height, width) - 1))
    fine = _up(height, margin, images) @ (images @ _up(width, margin, images).mT)

    axes = torch.meshgrid(_fine_positions(width, images), _fine_positions(height, images), indexing="xy")
    outputs = torch.stack(axes, dim=-1)
    points = torch.einsum("nij,hwj->nhwi", matrix, outputs) + offset[:, None, None]
    # The fine pixels lie half a pixel apart, a quarter off the image's centre for the filter's asymmetry.
    grid = (4 * points - 1) / (2 * (size + 2 * margin) + len(_SYM6) - 3)
    moved: Tensor = _Bilinear.apply(fine, grid)
    return _up(height, 0, images).mT @ (moved @ _up(width, 0, images))


def equalise(images: Tensor, gains: Tensor) -> Tensor:
    """Amplify octaves of image frequencies along both axes; images are reflected at their border.

    Args:
        images: ``(n, c, h, w)``.
        gains: ``(n, 4)`` amplitudes of the bands, lowest first; all ones change nothing.
    """
    rows, columns = (
        torch.einsum("nb,iob->noi", gains, _band_matrices(size, images)).unsqueeze(1) for size in images.shape[-2:]
    )
    return rows @ (images @ columns.mT)


def _reflected_eye(size: int, margin: int, like: Tensor) -> Tensor:
    """``(size, 1, size + 2 margin)``: unit impulses at each pixel, reflected beyond the border."""
    period = max(2 * (size - 1), 1)
    source = torch.arange(-margin, size + margin, device=like.device) % period
    source = torch.where(source < size, source, period - source)
    return torch.eye(size, dtype=like.dtype, device=like.device)[:, source].unsqueeze(1)


def _up(size: int, margin: int, like: Tensor) -> Tensor:
    """``(2 (size + 2 margin) + 10, size)``: reflect, upsample by 2; at margin 0 the transpose inverts it."""
    taps = like.new_tensor(_SYM6).view(1, 1, -1)
    return F.conv_transpose1d(_reflected_eye(size, margin, like), taps, stride=2).squeeze(1).mT


def _fine_positions(size: int, like: Tensor) -> Tensor:
    """``(2 size + 10,)``: where the upsampled values at margin 0 lie, in pixels from the image's centre."""
    index = torch.arange(2 * size + len(_SYM6) - 2, dtype=like.dtype, device=like.device)
    return (index - _SYM6_CENTRE) / 2 - (size - 1) / 2


def _band_matrices(size: int, like: Tensor) -> Tensor:
    """``(size, size, bands)``: what an impulse at the first index gives at the second in each band."""
    taps = like.new_tensor(_BAND_FILTERS).unsqueeze(1)
    return F.conv1d(_reflected_eye(size, taps.shape[-1] // 2, like), taps).mT


class _Bilinear(torch.autograd.Function):
    """``grid_sample`` of ``(n, c, h, w)`` images at a constant grid; linear, so differentiable to any order.

    PyTorch itself differentiates ``grid_sample`` twice in its recent releases only.
    """

    @staticmethod
    def forward(ctx: BackwardCFunction, images: Tensor, grid: Tensor) -> Tensor:
        ctx.save_for_backward(images, grid)
        return F.grid_sample(images, grid, align_corners=True)

    @staticmethod
    def backward(ctx: BackwardCFunction, gradient: Tensor) -> tuple[Tensor, None]:
        return _BilinearAdjoint.apply(gradient, *ctx.saved_tensors), None


class _BilinearAdjoint(torch.autograd.Function):
    """The transpose of :class:`_Bilinear`."""

    @staticmethod
    def forward(ctx: BackwardCFunction, gradient: Tensor, images: Tensor, grid: Tensor) -> Tensor:
        ctx.save_for_backward(grid)
        bilinear, zeros = 0, 0
        backward = torch.ops.aten.grid_sampler_2d_backward
        adjoint: Tensor = backward(gradient, images, grid, bilinear, zeros, True, [True, False])[0]
        return adjoint

    @staticmethod
    def backward(ctx: BackwardCFunction, gradient: Tensor) -> tuple[Tensor, None, None]:
        return _Bilinear.apply(gradient, *ctx.saved_tensors), None, None

"""Random crops and mirroring of training images: drawn by seed and position, done on the device."""

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["Size", "choose", "flip_and_crop"]

#: Height and width in pixels.
Size = tuple[int, int]


def choose(n: int, flip: float, generator: torch.Generator) -> Tensor:
    """Draw how ``n`` images are mirrored and cropped.

    Returns:
        ``(n, 3)`` float32: 1 for a mirrored image and 0 otherwise, and where its crop begins, from top and left, as a
        share in [0, 1) of the places that there are: one choice serves all images of a pair.
    """
    mirrored = torch.rand(n, generator=generator) < flip
    return torch.cat([mirrored[:, None].float(), torch.rand(n, 2, generator=generator)], 1)


def flip_and_crop(samples: Tensor, choice: Tensor, load_size: Size | None, mode: str = "bicubic") -> Tensor:
    """Enlarge images, cut one of the old size out of each, and mirror it.

    The random jitter of pix2pix (Isola et al. 2017, appendix 6.2): 256 pixels are enlarged to 286, and 256 are cut out.

    Args:
        samples: ``(n, c, h, w)`` floats.
        choice: of :func:`choose`, ``(n, 3)``.
        load_size: what to enlarge to; ``None`` crops nothing.
        mode: ``"bicubic"`` (antialiased, as Pillow's; confined to the samples' range) or ``"nearest-exact"``.
    """
    if load_size is not None:
        samples = _cropped(samples, choice[:, 1:], load_size, mode)
    return torch.where(choice[:, :1, None, None] > 0.5, samples.flip(-1), samples)


def _cropped(samples: Tensor, corners: Tensor, load_size: Size, mode: str) -> Tensor:
    height, width = samples.shape[-2:]
    smooth = {"align_corners": False, "antialias": True} if mode == "bicubic" else {}
    enlarged = F.interpolate(samples, load_size, mode=mode, **smooth)
    enlarged = enlarged.clamp(samples.amin(), samples.amax())  # bicubic rings beyond
    places = torch.tensor([load_size[0] - height + 1, load_size[1] - width + 1], device=samples.device)
    top, left = (corners * places).long().unbind(1)
    image = torch.arange(len(samples), device=samples.device)[:, None, None]
    rows = (top[:, None] + torch.arange(height, device=samples.device))[:, :, None]
    columns = (left[:, None] + torch.arange(width, device=samples.device))[:, None, :]
    return enlarged[image, :, rows, columns].permute(0, 3, 1, 2)

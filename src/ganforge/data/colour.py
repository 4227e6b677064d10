"""Colour profiles of pictures, applied: what is stored is sRGB."""

import io
from functools import lru_cache

import numpy as np
from PIL import Image, ImageCms

__all__ = ["in_srgb"]

_NOT_APPLIED = "with a colour profile that cannot be applied"

#: What counts as sRGB: a profile that moves no colour by more levels of 255 than rounding does.
_ROUNDING = 2


def in_srgb(image: Image.Image, profile: bytes) -> tuple[Image.Image, list[str]]:
    """Return a picture in sRGB, its transparency kept, and a note where its colour profile cannot be applied."""
    alpha = image.convert("RGBA").getchannel("A") if image.has_transparency_data else None
    opaque = image.convert("RGB") if image.mode in ("RGBA", "PA") else image
    try:
        kind = _kind(profile)
        source = opaque if kind == opaque.mode else opaque.convert(_source_mode(kind, opaque))
        transform = _to_srgb(profile, source.mode)
    except Exception:  # damaged profiles raise whatever lcms and Pillow raise
        return image, [_NOT_APPLIED]
    if transform is None:
        return image, []
    managed = ImageCms.applyTransform(source, transform)
    if managed is None:
        return image, [_NOT_APPLIED]
    if alpha is not None:
        managed.putalpha(alpha)
    return managed, []


def _kind(profile: bytes) -> str:
    """Return Pillow's mode for the colours that a profile is of."""
    space = ImageCms.ImageCmsProfile(io.BytesIO(profile)).profile.xcolor_space.strip()
    return {"GRAY": "L", "RGB": "RGB", "CMYK": "CMYK"}[space]


def _source_mode(kind: str, image: Image.Image) -> str:
    """Return the mode to apply a profile in; grey pictures and palettes may have a profile of colours.

    Raises:
        ValueError: if the picture's colours are others than the profile's.
    """
    grey = image.mode in ("1", "L", "LA")
    if (kind == "L" and not grey) or "CMYK" in {kind, image.mode}:
        raise ValueError("the profile is of other colours")
    return kind


@lru_cache(maxsize=16)
def _to_srgb(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """Return the perceptual transform from a profile to sRGB; ``None`` for one that moves nothing."""
    srgb = ImageCms.createProfile("sRGB")
    transform = ImageCms.buildTransform(ImageCms.ImageCmsProfile(io.BytesIO(profile)), srgb, mode, "RGB")
    if mode == "CMYK":
        return transform
    probe = _lattice() if mode == "RGB" else Image.fromarray(np.arange(256, dtype=np.uint8)[None])
    moved = ImageCms.applyTransform(probe, transform)
    assert moved is not None
    difference = np.asarray(moved).astype(int) - np.asarray(probe.convert("RGB")).astype(int)
    return None if np.abs(difference).max() <= _ROUNDING else transform


def _lattice() -> Image.Image:
    """Return a picture of 17 levels of each of three colours."""
    levels = np.linspace(0, 255, 17).round().astype(np.uint8)
    colours = np.stack(np.meshgrid(levels, levels, levels), -1)
    return Image.fromarray(colours.reshape(17, -1, 3))

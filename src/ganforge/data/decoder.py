"""One picture, from a file or an array, as 8-bit grey or colour: the rules of every way in (docs/images.md)."""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import IO, NamedTuple

import numpy as np
from PIL import Image, UnidentifiedImageError, features

from ganforge.data.colour import in_srgb

__all__ = [
    "LARGEST_PIXELS",
    "LONGEST_SIDE",
    "VERSION",
    "Picture",
    "UnreadableImage",
    "over_white",
    "read_picture",
    "suffixes",
    "upright_size",
]

#: Part of the decoded cache's keys: raise it with any rule that changes a pixel.
VERSION = 2

#: Pixels of the largest picture that is read; Pillow refuses more as a decompression bomb.
LARGEST_PIXELS = 178_956_970

#: Pixels of the longest side that is read: JPEG's limit. Pillow takes minutes for rows of millions.
LONGEST_SIDE = 65_535

#: Formats that are read, as Pillow calls them, and suffixes of their files. PostScript would start Ghostscript.
_FORMATS = {
    "PNG": (".png", ".apng"),
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "WEBP": (".webp",),
    "AVIF": (".avif",),
    "JPEG2000": (".jp2", ".j2k", ".jpf", ".jpx"),
    "TIFF": (".tif", ".tiff"),
    "GIF": (".gif",),
    "BMP": (".bmp", ".dib"),
    "PPM": (".ppm", ".pgm", ".pbm", ".pnm"),
}

#: What Pillow may be built without.
_OPTIONAL = {"WEBP": "webp", "AVIF": "avif", "JPEG2000": "jpg_2000"}

#: EXIF's orientations other than 1 (upright), and what undoes each.
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ORIENTATION = 0x0112


class UnreadableImage(Exception):  # noqa: N818 - its text completes "cannot be read: ..."
    """Why a file gives no picture."""


class Picture(NamedTuple):
    """A decoded picture.

    Attributes:
        image: of mode ``L`` or ``RGB``.
        notes: what its pixels do not show of the file, in words that follow a number of files.
    """

    image: Image.Image
    notes: tuple[str, ...]


@cache
def _formats() -> tuple[str, ...]:
    """Return the formats of :data:`_FORMATS` that this Pillow reads."""
    Image.init()
    return tuple(
        name for name in _FORMATS if name in Image.OPEN and (name not in _OPTIONAL or features.check(_OPTIONAL[name]))
    )


def suffixes() -> frozenset[str]:
    """Return the suffixes, in lower case, of files that this Pillow reads."""
    return frozenset(suffix for name in _formats() for suffix in _FORMATS[name])


@contextmanager
def _opened(handle: IO[bytes]) -> Iterator[Image.Image]:
    """Open a picture; whatever goes wrong with a damaged file is an :class:`UnreadableImage`."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # on sizes and metadata: what matters is counted
            with Image.open(handle, formats=_formats()) as image:
                if image.width * image.height > LARGEST_PIXELS or max(image.size) > LONGEST_SIDE:
                    raise UnreadableImage(f"{image.width} x {image.height} pixels are too many")
                yield image
    except UnreadableImage:
        raise
    except UnidentifiedImageError as error:
        empty = handle.seek(0, io.SEEK_END) == 0
        raise UnreadableImage("the file is empty" if empty else f"none of {', '.join(_formats())}") from error
    except Image.DecompressionBombError as error:
        raise UnreadableImage(f"more than {LARGEST_PIXELS:,} pixels") from error
    except Exception as error:  # Pillow's readers raise struct.error, IndexError and more where a file is damaged
        raise UnreadableImage(f"{type(error).__name__}: {str(error).partition(chr(10))[0]}") from error


def upright_size(handle: IO[bytes]) -> tuple[int, int]:
    """Return height and width in pixels, as the picture is meant to be seen, without decoding it.

    Raises:
        UnreadableImage: if the header cannot be read.
    """
    with _opened(handle) as image:
        sideways = _orientation(image) >= 5
        return (image.width, image.height) if sideways else (image.height, image.width)


def read_picture(handle: IO[bytes], channels: int) -> Picture:
    """Decode a file into grey (1 channel) or colour (3), as docs/images.md says.

    Args:
        handle: an open file.
        channels: 1 or 3.

    Raises:
        UnreadableImage: if it is damaged, too large, or of a kind that has no 8-bit meaning.
    """
    with _opened(handle) as image:
        notes = ["of several frames, of which the first is taken"] if _is_animated(image) else []
        image.load()
        turn = _TURNS.get(_orientation(image))
        profile = image.info.get("icc_profile")
        upright = _eight_bit(image if turn is None else _turned(image, turn))
        if profile:
            upright, note = in_srgb(upright, profile)
            notes += note
        if upright.has_transparency_data:
            upright = over_white(upright)
        return Picture(upright.convert("L" if channels == 1 else "RGB"), tuple(notes))


def _is_animated(image: Image.Image) -> bool:
    """Whether there are several frames; a camera's second picture in a JPEG (MPO) is none."""
    return image.format != "MPO" and bool(getattr(image, "is_animated", False))


def _orientation(image: Image.Image) -> int:
    """Return EXIF's orientation, 1 to 8; 1 without one, and for TIFF, which Pillow turns itself."""
    if image.format == "TIFF":
        return 1
    try:
        value = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # damaged metadata turn nothing, as in browsers; damaged pixels are found on loading
        return 1
    return value if value in _TURNS else 1


def _turned(image: Image.Image, turn: Image.Transpose) -> Image.Image:
    turned = image.transpose(turn)
    turned.info = image.info  # the colour that is transparent
    return turned


def _eight_bit(image: Image.Image) -> Image.Image:
    """Return 16-bit grey's high bytes (Pillow would clip); other modes have 8 bits or fewer already.

    Raises:
        UnreadableImage: for numbers beyond 16 bits, and fractions, whose range no file says.
    """
    if image.mode == "F":
        raise UnreadableImage("pixels are floating-point numbers, whose range the file does not say")
    if not image.mode.startswith("I"):
        return image
    values = np.asarray(image).astype(np.int64)
    if values.size and (values.min() < 0 or values.max() > 65535):
        raise UnreadableImage("pixels are whole numbers of more than 16 bits")
    grey = Image.fromarray((values >> 8).astype(np.uint8))
    clear = image.info.get("transparency")
    if clear is not None:
        grey.putalpha(Image.fromarray(np.where(values == clear, 0, 255).astype(np.uint8)))
    return grey


def over_white(image: Image.Image) -> Image.Image:
    """Return a picture with transparency as ``RGB``, laid over white."""
    rgba = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")

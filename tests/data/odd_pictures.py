"""Pictures of every kind that Pillow writes, and colour profiles made by hand."""

import io
import struct

import numpy as np
from PIL import Image

#: Formats that keep pixels exactly, and what to save them with.
LOSSLESS = {
    "PNG": {},
    "TIFF": {},
    "TIFF by libtiff": {"compression": "tiff_lzw"},
    "WEBP": {"lossless": True, "exact": True},
}


def file_of(image, kind="PNG", **options):
    """Return the bytes of a picture's file."""
    buffer = io.BytesIO()
    image.save(buffer, kind.split()[0], **options)
    return buffer.getvalue()


def noise(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def _tag(kind, content):
    return kind + bytes(4) + content


def profile(space="RGB ", gamma=1.0):
    """Return an ICC profile, version 2: sRGB's primaries and D50, or grey, with a pure power as the curve."""

    def xyz(*values):
        return _tag(b"XYZ ", b"".join(struct.pack(">i", round(value * 65536)) for value in values))

    curve = _tag(b"curv", struct.pack(">IH", 1, round(gamma * 256)))
    text = b"test\0"
    tags = {
        b"desc": _tag(b"desc", struct.pack(">I", len(text)) + text + bytes(78)),
        b"cprt": _tag(b"text", text),
        b"wtpt": xyz(0.9642, 1.0, 0.8249),
    }
    if space == "GRAY":
        tags[b"kTRC"] = curve
    else:
        primaries = {
            b"r": (0.43607, 0.22249, 0.01392),
            b"g": (0.38515, 0.71687, 0.09708),
            b"b": (0.14307, 0.06061, 0.7141),
        }
        for name, values in primaries.items():
            tags[name + b"XYZ"], tags[name + b"TRC"] = xyz(*values), curve
    body, table = b"", b""
    start = 128 + 4 + 12 * len(tags)
    for name, content in tags.items():
        table += struct.pack(">4sII", name, start + len(body), len(content))
        body += content + bytes(-len(content) % 4)
    header = bytearray(128)
    header[8:12] = b"\x02\x40\0\0"
    header[12:24] = b"mntr" + space.encode() + b"XYZ "
    header[36:40] = b"acsp"
    header[68:80] = struct.pack(">3i", *(round(value * 65536) for value in (0.9642, 1.0, 0.8249)))
    content = bytes(header) + struct.pack(">I", len(tags)) + table + body
    return struct.pack(">I", len(content)) + content[4:]


def srgb_of(linear):
    """Return sRGB's curve (IEC 61966-2-1) of light in [0, 1], as levels."""
    return 255 * np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * np.maximum(linear, 1e-9) ** (1 / 2.4) - 0.055)


def huge_png(width, height):
    """Return a PNG whose header says that it is huge."""
    import zlib

    def chunk(name, content):
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def picture_files():
    """Return one small file of each kind that ought to be readable, by what it is."""
    colour, grey = Image.fromarray(noise(9, 7, 3)), Image.fromarray(noise(9, 7))
    clear = Image.fromarray(noise(9, 7, 4))
    frames = [Image.fromarray(noise(9, 7, 3, seed=seed)) for seed in range(3)]
    return {
        "RGB.png": file_of(colour),
        "grey.png": file_of(grey),
        "RGBA.png": file_of(clear),
        "greyalpha.png": file_of(clear.convert("LA")),
        "palette.png": file_of(colour.quantize(16)),
        "palette_clear.png": file_of(colour.quantize(16), transparency=3),
        "key.png": file_of(colour, transparency=colour.getpixel((2, 3))),
        "grey_key.png": file_of(grey, transparency=grey.getpixel((2, 3))),
        "bit.png": file_of(grey.convert("1")),
        "sixteen.png": file_of(Image.fromarray(noise(9, 7).astype(np.uint16) * 257)),
        "profile.png": file_of(colour, icc_profile=profile()),
        "clear_profile.png": file_of(clear, icc_profile=profile(gamma=1.8)),
        "progressive.jpg": file_of(colour, "JPEG", progressive=True),
        "plain.jpg": file_of(colour, "JPEG"),
        "grey.jpg": file_of(grey, "JPEG"),
        "cmyk.jpg": file_of(colour.convert("CMYK"), "JPEG"),
        "lossy.webp": file_of(colour, "WEBP"),
        "clear.webp": file_of(clear, "WEBP", lossless=True),
        "plain.tif": file_of(colour, "TIFF"),
        "cmyk.tif": file_of(colour.convert("CMYK"), "TIFF", compression="tiff_lzw"),
        "pages.tif": file_of(frames[0], "TIFF", save_all=True, append_images=frames[1:]),
        "film.gif": file_of(frames[0], "GIF", save_all=True, append_images=frames[1:]),
        "film.png": file_of(frames[0], "PNG", save_all=True, append_images=frames[1:]),
        "film.webp": file_of(frames[0], "WEBP", save_all=True, append_images=frames[1:], lossless=True),
        "plain.bmp": file_of(colour, "BMP"),
        "plain.ppm": file_of(colour, "PPM"),
    }

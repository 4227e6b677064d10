"""One decoder for every picture: orientation, transparency, profiles, depths, frames, damage."""

import ast
import io
import subprocess
import warnings
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from odd_pictures import LOSSLESS, file_of, huge_png, noise, picture_files, profile, srgb_of
from PIL import Image, ImageCms, ImageOps

import ganforge
from ganforge.data.decoder import LARGEST_PIXELS, UnreadableImage, over_white, read_picture, suffixes, upright_size

FILES = picture_files()
POSTSCRIPT = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n{} loop\nshowpage\n%%EOF\n"


def read(content, channels=3):
    image, notes = read_picture(io.BytesIO(content), channels)
    return np.asarray(image).astype(int), notes


def pillow(content, mode="RGB"):
    with Image.open(io.BytesIO(content)) as image:
        return np.asarray(image.convert(mode)).astype(int)


@pytest.mark.parametrize("name", ["RGB.png", "grey.png", "palette.png", "bit.png", "plain.jpg", "grey.jpg", "cmyk.jpg"])
@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (3, "RGB")])
def test_plain_pictures_are_as_pillow_reads_them(name, channels, mode):
    pixels, notes = read(FILES[name], channels)
    assert np.array_equal(pixels, pillow(FILES[name], mode))
    assert notes == ()


@given(st.integers(1, 8), st.sampled_from(sorted(LOSSLESS)), st.integers(1, 9), st.integers(1, 9))
def test_orientations_are_undone_in_every_format(orientation, kind, height, width):
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = Image.fromarray(noise(height, width, 3))
    content = file_of(image, kind, exif=exif, **LOSSLESS[kind])
    tagged = image.copy()
    tagged.info["exif"] = exif.tobytes()
    expected = np.asarray(ImageOps.exif_transpose(tagged))
    assert np.array_equal(read(content)[0], expected)
    assert upright_size(io.BytesIO(content)) == expected.shape[:2]


@pytest.mark.parametrize("kind", ["JPEG", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientations_of_lossy_formats(kind, orientation):
    if f".{kind.lower()}" not in suffixes():
        pytest.skip("this Pillow reads no AVIF")
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = Image.fromarray(np.repeat(np.repeat(noise(2, 3), 16, 0), 16, 1)).convert("RGB")
    plain, turned = (read(file_of(image, kind, quality=95, exif=e))[0] for e in (b"", exif.tobytes()))
    tagged = Image.fromarray(plain.astype(np.uint8))
    tagged.info["exif"] = exif.tobytes()
    assert np.abs(turned - np.asarray(ImageOps.exif_transpose(tagged)).astype(int)).max() <= 2


@pytest.mark.parametrize("value", [0, 9, 77, 65535])
def test_orientations_that_there_are_not_turn_nothing(value):
    exif = Image.Exif()
    exif[0x0112] = value
    content = file_of(Image.fromarray(noise(4, 5, 3)), exif=exif)
    assert np.array_equal(read(content)[0], noise(4, 5, 3))


def test_damaged_metadata_turn_nothing():
    content = file_of(Image.fromarray(noise(4, 5, 3)), exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    assert np.array_equal(read(content)[0], noise(4, 5, 3))


@given(st.integers(0, 99), st.sampled_from(["RGBA", "LA"]), st.sampled_from([1, 3]))
def test_transparency_is_over_white(seed, mode, channels):
    image = Image.fromarray(noise(6, 5, 4, seed=seed)).convert(mode)
    colour, alpha = np.asarray(image.convert("RGBA")).astype(float)[..., :3], np.asarray(image).astype(float)[..., -1:]
    expected = (colour * alpha + 255 * (255 - alpha)) / 255
    if channels == 1:
        expected = expected @ [0.299, 0.587, 0.114]
    assert np.abs(read(file_of(image), channels)[0] - expected).max() <= 1
    assert np.abs(np.asarray(over_white(image)).astype(int) - read(file_of(image))[0]).max() == 0


@pytest.mark.parametrize("name", ["palette_clear.png", "key.png", "grey_key.png"])
def test_transparent_colours_are_white(name):
    with Image.open(io.BytesIO(FILES[name])) as image:
        clear = np.asarray(image.convert("RGBA"))[..., 3] == 0
    assert clear.any()
    assert (read(FILES[name])[0][clear] == 255).all()
    assert np.array_equal(read(FILES[name])[0][~clear], pillow(FILES[name])[~clear])


def test_a_transparent_colour_of_16_bits():
    values = noise(4, 4).astype(np.uint16) * 256 + 7
    content = file_of(Image.fromarray(values), transparency=int(values[1, 2]))
    pixels, _ = read(content, 1)
    expected = np.where(values == values[1, 2], 255, values >> 8)
    assert np.array_equal(pixels, expected)


@given(st.integers(0, 65535), st.sampled_from(["PNG", "TIFF", "PPM"]))
def test_of_16_bits_the_high_bytes_count(level, kind):
    content = file_of(Image.fromarray(np.full((3, 4), level, np.uint16)), kind)
    assert (read(content)[0] == level >> 8).all()
    assert (read(content, 1)[0] == level >> 8).all()


@pytest.mark.parametrize("gamma", [1.0, 1.8, 2.6])
@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP", "JPEG"])
def test_profiles_are_converted_to_srgb(gamma, kind):
    levels = np.repeat(np.repeat(np.arange(0, 256, 5, dtype=np.uint8)[None, :, None], 3, 2), 8, 0)
    image = Image.fromarray(np.repeat(levels, 8, 1))
    options = {"WEBP": {"lossless": True}, "JPEG": {"quality": 100}}.get(kind, {})
    pixels, notes = read(file_of(image, kind, icc_profile=profile(gamma=gamma), **options))
    expected = srgb_of((np.asarray(image) / 255.0) ** gamma)
    assert np.abs(pixels - expected).max() <= (4 if kind == "JPEG" else 2)
    assert notes == ()


@pytest.mark.parametrize("mode", ["L", "LA", "I;16"])
def test_profiles_of_grey(mode):
    levels = np.arange(256, dtype=np.uint8)[None].repeat(3, 0)
    image = Image.fromarray(levels.astype(np.uint16) * 257) if mode == "I;16" else Image.fromarray(levels).convert(mode)
    pixels, notes = read(file_of(image, icc_profile=profile("GRAY", 1.8)), 1)
    assert np.abs(pixels - srgb_of((levels / 255.0) ** 1.8)).max() <= 2
    assert notes == ()


def test_profiles_and_transparency_together():
    image = Image.fromarray(np.dstack([np.full((4, 4, 3), 90, np.uint8), np.full((4, 4), 51, np.uint8)]))
    pixels, _ = read(file_of(image, icc_profile=profile(gamma=1.0)))
    assert np.abs(pixels - (0.2 * srgb_of(np.float64(90 / 255)) + 0.8 * 255)).max() <= 2
    key = file_of(Image.fromarray(noise(4, 4)), transparency=int(noise(4, 4)[0, 0]), icc_profile=profile("GRAY", 1.8))
    assert read(key, 1)[0][0, 0] == 255


def test_srgb_itself_changes_nothing():
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for image in (Image.fromarray(noise(20, 20, 3)), Image.fromarray(noise(20, 20))):
        pixels, notes = read(file_of(image, icc_profile=srgb))
        assert np.array_equal(pixels, np.asarray(image.convert("RGB")))
        assert notes == ()


@pytest.mark.parametrize(
    ("mode", "icc"),
    [
        ("RGB", b"no profile"),
        ("RGB", profile("GRAY")),
        ("CMYK", profile()),
        ("RGB", profile()[:200]),
        ("P", b"\0" * 128),
    ],
)
def test_profiles_that_cannot_be_applied_are_told(mode, icc):
    image = Image.fromarray(noise(4, 4, 3)).convert(mode)
    pixels, notes = read(file_of(image, "TIFF", icc_profile=icc))
    assert np.array_equal(pixels, np.asarray(image.convert("RGB")))
    assert notes == ("with a colour profile that cannot be applied",)


@pytest.mark.parametrize("name", ["film.gif", "film.png", "film.webp", "pages.tif"])
def test_of_several_frames_the_first_is_taken(name):
    pixels, notes = read(FILES[name])
    assert notes == ("of several frames, of which the first is taken",)
    assert np.array_equal(pixels, pillow(FILES[name]))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "the file is empty"),
        (b"no picture at all", "none of PNG, JPEG"),
        (POSTSCRIPT, "none of PNG, JPEG"),
        (huge_png(50_000, 50_000), "178,956,970"),
        (huge_png(13_378, 13_378), "178,956,970"),
        (huge_png(65_536, 1), "65536 x 1 pixels are too many"),
        (huge_png(3, 10_000_000), "3 x 10000000 pixels are too many"),
        (file_of(Image.fromarray(np.ones((3, 3), np.float32)), "TIFF"), "floating-point"),
        (file_of(Image.fromarray(np.full((3, 3), 1 << 20, np.int32)), "TIFF"), "more than 16 bits"),
        (file_of(Image.fromarray(np.full((3, 3), -1, np.int32)), "TIFF"), "more than 16 bits"),
        (file_of(Image.new("RGB", (9, 9)), "PCX"), "none of PNG"),
    ],
)
def test_what_is_no_picture_says_why(content, reason):
    for reader in (lambda handle: read_picture(handle, 3), upright_size):
        if reader is upright_size and ("bits" in reason or "floating" in reason):
            continue
        with pytest.raises(UnreadableImage, match=reason):
            reader(io.BytesIO(content))
    assert LARGEST_PIXELS < 13_378**2


def test_postscript_starts_no_program(monkeypatch):
    for name in ("Popen", "run", "check_call", "call"):
        monkeypatch.setattr(subprocess, name, lambda *_, **__: pytest.fail("a program was started"))
    with pytest.raises(UnreadableImage):
        read(POSTSCRIPT)


@given(st.sampled_from(sorted(FILES)), st.floats(0, 1, exclude_max=True))
def test_a_file_cut_anywhere_is_unreadable_or_whole(name, share):
    content = FILES[name]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            pixels, _ = read(content[: int(share * len(content))])
        except UnreadableImage:
            return
    assert np.array_equal(pixels, read(content)[0])  # what was cut off held no pixels


@given(st.sampled_from(sorted(FILES)), st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(1, 255))))
def test_damage_is_one_kind_of_error(name, flips):
    content = bytearray(FILES[name])
    for share, change in flips:
        content[int(share * len(content))] ^= change
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for reader in (lambda handle: read_picture(handle, 3), upright_size):
            with suppress(UnreadableImage):
                reader(io.BytesIO(bytes(content)))


def test_every_picture_is_opened_with_a_list_of_formats():
    root = Path(ganforge.__file__).parents[2]
    calls = [
        (path.name, node)
        for folder in ("src", "scripts")
        for path in (root / folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("Image.open")
    ]
    assert len(calls) >= 4
    assert [name for name, call in calls if "formats" not in {keyword.arg for keyword in call.keywords}] == []

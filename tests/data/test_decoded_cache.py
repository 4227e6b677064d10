"""The decoded cache: found damaged it is filled again, and places that cannot be written are named."""

import errno
import os
import resource
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from odd_pictures import file_of, huge_png, noise, picture_files
from PIL import Image

from ganforge.core.errors import GanforgeError
from ganforge.core.files import lock
from ganforge.data import decoded, decoded_cache, folder
from ganforge.data.decoded import decode
from ganforge.data.folder import ImageFolder
from ganforge.data.modality import Images
from ganforge.runs.data_record import fingerprints


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("set")
    for number in range(5):
        (folder / f"{number}.png").write_bytes(file_of(Image.fromarray(noise(9, 9, 3, seed=number))))
    return sorted(folder.iterdir())


@pytest.fixture(scope="module")
def whole(files, tmp_path_factory):
    """A whole cache's folder, and what is read from it."""
    cache = tmp_path_factory.mktemp("cache")
    return cache, decode(files, list(range(5)), Images(8, 3), cache)


def same(one, other):
    return torch.equal(one.data.read(), other.data.read()) and torch.equal(one.label, other.label)


@given(st.sampled_from(["images.npy", "kept.json"]), st.floats(0, 1, exclude_max=True), st.integers(1, 255))
def test_any_flipped_byte_is_found(files, whole, name, share, change):
    cache, expected = whole
    with tempfile.TemporaryDirectory() as place:
        shutil.copytree(cache, place, dirs_exist_ok=True)
        (path,) = Path(place).glob(f"decoded/*/{name}")
        content = bytearray(path.read_bytes())
        content[int(share * len(content))] ^= change
        path.write_bytes(content)
        read = decode(files, list(range(5)), Images(8, 3), Path(place))
        assert same(read, expected)
        assert read.data.fingerprint == expected.data.fingerprint


@given(st.sampled_from(["images.npy", "kept.json"]), st.floats(0, 1, exclude_max=True))
def test_any_cut_is_found(files, whole, name, share):
    cache, expected = whole
    with tempfile.TemporaryDirectory() as place:
        shutil.copytree(cache, place, dirs_exist_ok=True)
        (path,) = Path(place).glob(f"decoded/*/{name}")
        path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
        assert same(decode(files, list(range(5)), Images(8, 3), Path(place)), expected)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda folder: (folder / "images.npy").unlink(),
        lambda folder: (folder / "kept.json").write_text('{"checksum": 1, "index": {"kept": []}}'),
        lambda folder: (folder / "kept.json").write_text("[" * 100_000),
        lambda folder: np.save(folder / "images.npy", np.zeros((4, 3, 8, 8), np.uint8)),
        lambda folder: np.save(folder / "images.npy", np.array([object()]), allow_pickle=True),
    ],
    ids=["no array", "another index", "a deep index", "another array", "a pickle"],
)
def test_what_heals_is_said(files, whole, spoil, tmp_path, caplog):
    caplog.set_level("INFO")
    shutil.copytree(whole[0], tmp_path, dirs_exist_ok=True)
    (folder,) = (tmp_path / "decoded").iterdir()
    spoil(folder)
    assert same(decode(files, list(range(5)), Images(8, 3), tmp_path), whole[1])
    (message,) = caplog.messages
    assert message.startswith(f"Decoded images in '{folder}' are damaged (")
    caplog.clear()
    decode(files, None, Images(8, 3), tmp_path)
    assert caplog.messages == []


def test_large_arrays_are_compared_where_they_have_changed(files, whole, tmp_path, monkeypatch):
    monkeypatch.setattr(decoded_cache, "IN_MEMORY", 0)
    read = []
    original = decoded_cache.Column
    monkeypatch.setattr(decoded_cache, "Column", lambda *words: read.append(1) or original(*words))
    shutil.copytree(whole[0], tmp_path, dirs_exist_ok=True)
    assert same(decode(files, list(range(5)), Images(8, 3), tmp_path), whole[1])
    assert not read
    (path,) = tmp_path.glob("decoded/*/images.npy")
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    assert same(decode(files, list(range(5)), Images(8, 3), tmp_path), whole[1])
    assert read


def test_a_rule_that_changes_makes_a_cache_of_its_own(files, whole, tmp_path, monkeypatch):
    shutil.copytree(whole[0], tmp_path, dirs_exist_ok=True)
    monkeypatch.setattr(decoded, "VERSION", -1)
    decode(files, None, Images(8, 3), tmp_path)
    assert len(list((tmp_path / "decoded").iterdir())) == 2


def test_the_fingerprint_is_that_of_the_pixels(files, whole, tmp_path):
    copies = [Path(shutil.copy(file, tmp_path / f"x{file.name}")) for file in files]
    assert decode(copies, None, Images(8, 3), tmp_path).data.fingerprint == whole[1].data.fingerprint
    Image.fromarray(noise(9, 9, 3, seed=77)).save(copies[-1])
    assert decode(copies, None, Images(8, 3), tmp_path).data.fingerprint != whole[1].data.fingerprint


@pytest.mark.parametrize("most", [0, decoded_cache.IN_MEMORY], ids=["mapped", "in memory"])
def test_fingerprints_of_a_folder_are_those_of_its_pixels_wherever_it_lies(files, most, tmp_path, monkeypatch):
    """Neither paths nor times are in them, as runs compare them where they go on; one pixel is."""
    monkeypatch.setattr(folder, "IN_MEMORY", most)
    first, second = tmp_path / "first" / "set", tmp_path / "second" / "another"
    for place in (first, second):
        place.mkdir(parents=True)
        for number, file in enumerate(files):
            shutil.copyfile(file, place / file.name)
            os.utime(place / file.name, (number, number + len(str(place))))

    def found(place, cache):
        return fingerprints(ImageFolder(str(place), str(tmp_path / cache), heldout=0.4).load(Images(8, 3)))

    before = found(first, "cache")
    assert found(second, "cache") == before
    assert found(second, "another cache") == before
    Image.fromarray(noise(9, 9, 3, seed=77)).save(second / files[0].name)
    assert found(second, "cache") != before


def test_a_whole_cache_needs_no_right_to_write(files, whole, monkeypatch):
    def refuse(folder):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(decoded, "lock", refuse)
    assert same(decode(files, list(range(5)), Images(8, 3), whole[0]), whole[1])


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="the system reserves no space")
def test_a_disk_that_is_too_full_is_found_before_anything_is_decoded(files, tmp_path, monkeypatch):
    """The kernel refuses the reservation of five images of 192 bytes, in a file that may have 500."""
    read = []
    original = decoded.read_picture
    monkeypatch.setattr(decoded, "read_picture", lambda *words: read.append(1) or original(*words))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500, before[1]))
    try:
        with pytest.raises(GanforgeError, match=rf"cannot be kept in '{tmp_path}' .*paths\.cache=.*GANFORGE_CACHE"):
            decode(files, None, Images(8, 3), tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not read
    assert {path.name for path in tmp_path.glob("decoded/*/*")} == {".lock"}
    assert len(decode(files, None, Images(8, 3), tmp_path)) == 5


@pytest.mark.parametrize("code", [errno.EOPNOTSUPP, errno.EINVAL])
def test_file_systems_that_reserve_nothing_are_written_all_the_same(files, whole, code, tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(code, "not supported")

    monkeypatch.setattr(os, "posix_fallocate", refuse, raising=False)
    assert same(decode(files, list(range(5)), Images(8, 3), tmp_path), whole[1])
    (one,), (other,) = (cache.glob("decoded/*/images.npy") for cache in (tmp_path, whole[0]))
    assert one.read_bytes() == other.read_bytes()


@pytest.mark.parametrize("fault", ["file", "read-only"])
def test_places_that_cannot_be_written_are_named(files, fault, tmp_path, monkeypatch):
    cache = tmp_path / "cache"
    if fault == "file":
        cache.write_text("")
    else:
        monkeypatch.setattr(Path, "mkdir", lambda *_, **__: (_ for _ in ()).throw(OSError(errno.EROFS, "Read-only")))
    with pytest.raises(GanforgeError, match=rf"cannot be kept in '{cache}' .*paths\.cache=FOLDER .*GANFORGE_CACHE"):
        decode(files, None, Images(8, 3), cache)


def test_a_lock_that_is_a_folder(files, tmp_path):
    (tmp_path / ".lock").mkdir()
    with pytest.raises(GanforgeError, match=r"\.lock' is a folder, .*: remove it"), lock(tmp_path):
        pass


# What cannot be read


@pytest.mark.parametrize(("good", "bad", "share", "allowed"), [(40, 1, 0.01, 1), (8, 1, 0.01, 1), (8, 3, 0.3, 3)])
def test_one_unreadable_file_is_allowed(good, bad, share, allowed, tmp_path, caplog):
    caplog.set_level("INFO")
    place = tmp_path / "set"
    place.mkdir()
    for number in range(good):
        Image.fromarray(noise(9, 9, 3)).save(place / f"{number}.png")
    for number in range(bad):
        (place / f"huge{number}.png").write_bytes(huge_png(30_000, 30_000))
    source = ImageFolder(str(place), str(tmp_path / "cache"), max_unreadable=share)
    for _ in range(2):  # decoded, and found decoded
        splits = source.load(Images(8, 3))
        assert len(splits.train) + len(splits.heldout) == good
        assert caplog.messages[-1].startswith(f"{good + bad} images: {bad} unreadable and left out (listed in")
    assert len(caplog.messages) == 2
    (place / "worse.png").write_bytes(b"")
    (place / "worst.png").write_bytes(b"")
    with pytest.raises(GanforgeError, match=rf"{bad + 2} of .*max_unreadable={share} allows {allowed}: repair"):
        source.load(Images(8, 3))


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_shares_that_there_are_not(share):
    with pytest.raises(GanforgeError, match="max_unreadable is a share between 0 and 1"):
        ImageFolder("x", "y", max_unreadable=share)


def test_none_is_allowed_by_0(tmp_path):
    for number in range(5):
        Image.fromarray(noise(9, 9, 3)).save(tmp_path / f"{number}.png")
    (tmp_path / "x.png").write_bytes(b"")
    with pytest.raises(GanforgeError, match=r"1 of 6 images cannot be read .*max_unreadable=0 allows 0"):
        ImageFolder(str(tmp_path), str(tmp_path / "cache"), max_unreadable=0).load(Images(8, 3))


@pytest.mark.parametrize(
    ("good", "said"), [(0, r"None of the 2 images can be read .*file is empty"), (1, "holds one image")]
)
def test_too_few_that_can_be_read(good, said, tmp_path):
    for number in range(2):
        content = file_of(Image.fromarray(noise(9, 9, 3))) if number < good else b""
        (tmp_path / f"{number}.png").write_bytes(content)
    with pytest.raises(GanforgeError, match=said):
        ImageFolder(str(tmp_path), str(tmp_path / "cache"), max_unreadable=1).load(Images(8, 3))


def test_a_folder_of_one_says_what_is_left_out(tmp_path):
    (tmp_path / "a.png").write_bytes(b"")
    (tmp_path / "b.heic").write_bytes(b"")
    with pytest.raises(GanforgeError, match=r"holds 1 image; left out: 1 \.heic, and training needs at least two"):
        ImageFolder(str(tmp_path), str(tmp_path / "cache")).load(Images(8, 3))


def test_what_was_passed_over_is_counted(tmp_path, caplog):
    caplog.set_level("INFO")
    for name, content in picture_files().items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "odd.png").write_bytes(file_of(Image.fromarray(noise(9, 7, 3)), icc_profile=b"none"))
    ImageFolder(str(tmp_path), str(tmp_path / "cache")).load(Images(8, 3))
    total = len(picture_files()) + 1
    assert caplog.messages == [
        f"{total} images: 4 of several frames, of which the first is taken; 1 with a colour profile that "
        "cannot be applied."
    ]

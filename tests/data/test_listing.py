"""Which files of a folder or archive are images, and of which class."""

import os
import string
import tempfile
import zipfile
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from odd_pictures import file_of, noise
from PIL import Image

from ganforge.core.console import log_to, say
from ganforge.core.errors import GanforgeError
from ganforge.core.files import shown
from ganforge.data.classes import class_labels
from ganforge.data.folder import ImageFolder
from ganforge.data.given import read_images
from ganforge.data.listing import list_images
from ganforge.data.modality import Images

PNG = file_of(Image.fromarray(noise(8, 8, 3)))


def tree(place, *names, content=PNG):
    for name in names:
        file = place / name
        if name.endswith("/"):
            file.mkdir(parents=True, exist_ok=True)
        else:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
    return place


def archive(path, *names, content=PNG):
    with zipfile.ZipFile(path, "w") as opened:
        for name in names:
            opened.writestr(zipfile.ZipInfo(name), b"" if name.endswith("/") else content)
    return path


def names_of(listing):
    return ["/".join(parts) for parts in listing.files]


NAMES = st.one_of(
    st.text(string.ascii_letters + string.digits + "-_ é.", min_size=1, max_size=6).filter(lambda n: n.strip(". ")),
    st.sampled_from([".hidden", ".ipynb_checkpoints", "__MACOSX", "0", "1", "10", "02"]),
)
SUFFIXES = st.sampled_from([".png", ".PNG", ".Jpg", ".jpe", ".jfif", ".tiff", ".txt", ".heic", "", ".gz"])


@st.composite
def relative_names(draw):
    folders = draw(st.lists(NAMES.map(lambda name: f"d{name}" if "." in name[1:] else name), max_size=2))
    return "/".join([*folders, draw(NAMES) + draw(SUFFIXES)])


@given(st.lists(relative_names(), min_size=1, max_size=12, unique_by=str.casefold))
def test_folders_and_archives_are_listed_alike(names):
    folders = {parent for name in names for parent in (str(p) for p in Path(name).parents)}
    names = [name for name in names if name not in folders]
    with tempfile.TemporaryDirectory() as place:
        folder = list_images(tree(Path(place) / "set", *names))
        zipped = list_images(archive(Path(place) / "set.ZIP", *names))
    assert (
        names_of(folder)
        == names_of(zipped)
        == ["/".join(parts) for parts in sorted(tuple(name.split("/")) for name in names_of(folder))]
    )
    visible = [name for name in names if not any(p.startswith(".") or p == "__MACOSX" for p in name.split("/"))]
    assert len(folder) + sum(count for why, count in folder.left_out.items() if why != "hidden") == len(visible)
    assert zipped.left_out.total() == len(names) - len(zipped)
    assert all((folder.left_out - zipped.left_out)[why] == 0 for why in folder.left_out)  # a hidden folder counts once


def test_what_is_left_out_is_counted_by_reason(tmp_path):
    tree(tmp_path / "set", "a.png", "b.JFIF", "c.jpe", "d.txt", "e.txt", "f.heic", "g", ".h.png")
    tree(tmp_path / "set", ".ipynb_checkpoints/a-checkpoint.png", "__MACOSX/._a.png", "sub/._b.png")
    (tmp_path / "set" / "lost.png").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "set" / "pipe.png")
    listing = list_images(tmp_path / "set")
    assert names_of(listing) == ["a.png", "b.JFIF", "c.jpe"]
    assert listing.left_out == {
        "hidden": 4,
        ".txt": 2,
        ".heic": 1,
        "without a suffix": 1,
        "links that lead nowhere": 1,
        "not plain files": 1,
    }
    assert "holds 3 images; left out: 4 hidden, 2 .txt, 1 " in listing.describe()
    many = tree(tmp_path / "many", "a.png", *(f"f.{letter}" for letter in "abcdefgh"))
    assert list_images(many).describe().endswith("1 .e, 1 .f, 2 others")


def test_hidden_is_what_lies_below_the_folder(tmp_path):
    assert len(list_images(tree(tmp_path / ".cache" / "set", "a.png"))) == 1


def test_links_are_followed_once(tmp_path):
    tree(tmp_path / "elsewhere", "x.png")
    place = tree(tmp_path / "set", "a/y.png")
    (place / "b").symlink_to(tmp_path / "elsewhere")
    (place / "a" / "up").symlink_to(place)
    (place / "a" / "z.png").symlink_to(tmp_path / "elsewhere" / "x.png")
    (place / "self").symlink_to(place / "self")
    listing = list_images(place)
    assert names_of(listing) == ["a/y.png", "a/z.png", "b/x.png"]
    assert listing.left_out == {"links back": 1, "links that lead nowhere": 1}


def test_a_folder_that_cannot_be_read_is_an_error(tmp_path, monkeypatch):
    place = tree(tmp_path / "set", "a/x.png", "b/y.png")
    scan = os.scandir

    def refuse(path):
        if Path(path).name == "b":
            raise PermissionError(13, "Permission denied")
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(GanforgeError, match=r"set/b' cannot be read \(Permission denied\), so that nobody knows"):
        list_images(place)


@pytest.mark.parametrize(("name", "content"), [("x.zip", b"no archive"), ("x.zip", b""), ("x.rar", b"Rar!")])
def test_what_is_neither_folder_nor_archive(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(GanforgeError, match=r"cannot be read as a zip archive|is not a folder or a \.zip file"):
        list_images(tmp_path / name)


def test_archives_of_odd_members(tmp_path):
    names = ["b\\x.png", "/a/y.png", "../z.png", "c/", "a/y.png"]
    listing = list_images(archive(tmp_path / "x.zip", *names, ".checkpoints/x.png"))
    assert names_of(listing) == ["a/y.png", "b/x.png"]
    assert listing.folders == {"a", "b", "c"}
    assert listing.left_out == {"hidden": 2, "of a name that is there twice": 1}


# Classes


@given(st.sets(st.integers(0, 65_535), min_size=1, max_size=15), st.integers(0, 3))
def test_names_that_are_numbers_are_the_labels(numbers, digits):
    names = [f"{number:0{digits}d}" for number in numbers]
    with tempfile.TemporaryDirectory() as place:
        listing = list_images(tree(Path(place), *(f"{name}/x.png" for name in names)))
    labels = dict(zip((parts[0] for parts in listing.files), class_labels(listing), strict=True))
    assert labels == {name: int(name) for name in names}


@given(st.sets(st.text("abcXYZ019_", min_size=1, max_size=4), min_size=2, max_size=8), st.data())
def test_other_names_are_numbered_whether_they_hold_images_or_not(names, data):
    names = {f"n{name}".casefold() for name in names}
    empty = data.draw(st.sets(st.sampled_from(sorted(names)), max_size=len(names) - 1))
    with tempfile.TemporaryDirectory() as place:
        full = list_images(tree(Path(place) / "full", *(f"{name}/x.png" for name in names)))
        some = list_images(tree(Path(place) / "some", *(f"{n}/" if n in empty else f"{n}/x.png" for n in names)))
    expected = dict(zip(full.files, class_labels(full), strict=True))
    assert expected == {(name, "x.png"): number for number, name in enumerate(sorted(names))}
    assert class_labels(some) == [expected[parts] for parts in some.files]


def test_empty_classes_are_said(tmp_path, caplog):
    caplog.set_level("INFO")
    class_labels(list_images(tree(tmp_path, "a/x.png", "b/", "c/y.png", "d/.hidden.png")))
    assert caplog.messages == ["Class folders without an image keep their numbers: b (1), d (3)."]


def test_hidden_folders_are_no_classes(tmp_path):
    place = tree(tmp_path / "set", ".ipynb_checkpoints/x.png", *(f"{c}/{k}.png" for c in "ab" for k in range(4)))
    splits = ImageFolder(str(place), str(tmp_path / "cache"), labelled=True, workers=0).load(Images(8, 3))
    assert sorted(torch.cat([splits.train.label, splits.heldout.label]).tolist()) == [0] * 4 + [1] * 4


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["1/x.png", "01/y.png"], r"names are the same number, among 01, 1"),
        (["20240101/x.png", "3/y.png"], r"numbers up to 20240101, .* at most 65,535: rename"),
        ([f"{'9' * 40}/x.png"], r"at most 65,535"),
    ],
)
def test_numbers_that_are_no_labels(tmp_path, names, said):
    with pytest.raises(GanforgeError, match=said):
        class_labels(list_images(tree(tmp_path, *names)))


def table(place, text):
    place.mkdir(parents=True, exist_ok=True)
    (place / "labels.csv").write_bytes(text.encode("utf-8", "surrogateescape"))
    return place


@given(st.lists(st.integers(0, 65_535), min_size=2, max_size=12), st.booleans(), st.sampled_from(["\n", "\r\n"]))
def test_a_table_of_labels_is_read(labels, has_mark, end):
    rows = [("file", "label"), *((f"{k:06d}.png", label) for k, label in enumerate(labels))]
    text = "\ufeff" * has_mark + "".join(f"{file},{label}{end}" for file, label in rows)
    with tempfile.TemporaryDirectory() as folder:
        place = table(tree(Path(folder) / "set", *(row[0] for row in rows[1:])), text)
        listing = list_images(place)
        assert class_labels(listing) == labels
        assert read_images(place, Path(folder) / "cache").label.tolist() == labels
    assert listing.left_out.total() == 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("file,label\na.png,1\n", r"no label for 1 of 2 images, such as 'b\.png'"),
        ("file,label\na.png,1\nb.png,cat\n", r"row \['b\.png', 'cat'\], which is not a file and a class"),
        ("file,label\na.png,1\nb.png,-1\n", r"not a file and a class"),
        ("file,label\na.png,1\nb.png,1.0\n", r"not a file and a class"),
        ("file,label\na.png,1,2\nb.png,1\n", r"not a file and a class"),
        ('file,label\n"a.png,1\n', r"cannot be read .*: repair or remove it"),
    ],
)
def test_tables_that_are_no_labels(tmp_path, text, said):
    with pytest.raises(GanforgeError, match=said):
        class_labels(list_images(table(tree(tmp_path, "a.png", "b.png"), text)))


def test_a_table_of_something_else_is_not_read(tmp_path):
    assert class_labels(list_images(table(tree(tmp_path, "a.png"), "name,smiling\na.png,1\n"))) is None


# Names in other encodings


def latin(name):
    return os.fsdecode(name.encode("latin-1"))


def test_names_that_are_no_utf8(tmp_path, caplog):
    caplog.set_level("INFO")
    place = tmp_path / latin("Möwen")
    files = [f"{latin('Möwe')}{number}.png" for number in range(6)]
    tree(place, *(f"{folder}/{file}" for folder in (latin("weiß"), "grau") for file in files))
    tree(place, f"grau/{latin('kaputt_é')}.png", content=b"nothing")
    tree(place, f"grau/x.{latin('é')}")
    splits = ImageFolder(str(place), str(tmp_path / "cache"), labelled=True, workers=0).load(Images(8, 3))
    assert len(splits.train) + len(splits.heldout) == 12
    (listing,) = (tmp_path / "cache" / "decoded").glob("*/unreadable.txt")
    assert listing.read_bytes().partition(b"\t")[0] == os.fsencode(place / "grau" / f"{latin('kaputt_é')}.png")
    assert len(read_images(place, tmp_path / "cache")) == 12
    assert any("M\\xf6wen' holds 13 images; left out: 1 .\\xe9." in message for message in caplog.messages)
    for message in caplog.messages:
        message.encode()
    tree(place, f"{latin('ärger')}/x.png", content=file_of(Image.fromarray(noise(5, 5, 3))))
    with pytest.raises(GanforgeError, match=r"of one size") as caught:
        read_images(place, tmp_path / "cache")
    str(caught.value).encode()


def test_what_is_said_of_such_names_can_be_written(tmp_path):
    with log_to(tmp_path / "log.txt"):
        say(f"'{latin('Möwe')}' and Möwe")
    assert "'M\\xf6we' and Möwe" in (tmp_path / "log.txt").read_text()


@given(st.binary(min_size=1, max_size=12).filter(lambda name: b"\0" not in name))
def test_every_name_can_be_shown(name):
    text = shown(os.fsdecode(name))
    text.encode("utf-8")
    assert text == os.fsdecode(name) or "\\x" in text

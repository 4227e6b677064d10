"""The same pictures from a folder, a zip archive and an npz file are the same set, and have the same values."""

import io
import os
import zipfile

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from odd_pictures import file_of, huge_png, noise, picture_files
from PIL import Image

from ganforge.core.errors import GanforgeError
from ganforge.data.columns import Splits
from ganforge.data.decoder import read_picture
from ganforge.data.folder import ImageFolder
from ganforge.data.given import read_images
from ganforge.data.modality import Images
from ganforge.metrics.classes import IntraClassFrechet
from ganforge.metrics.evaluation import Evaluation
from ganforge.metrics.extractors import DigitClassifier
from ganforge.metrics.frechet import FrechetDistance
from ganforge.metrics.protocol import Protocol, Sampling
from ganforge.metrics.sources import Stored

CPU = torch.device("cpu")


def written(place, pictures, labels=None):
    """Write pictures as a folder, a zip archive and an npz file, and return the three."""
    files = {f"{number:03}.png": file_of(picture) for number, picture in enumerate(pictures)}
    arrays = {"images": np.stack([np.asarray(picture) for picture in pictures])}
    if labels is not None:
        arrays["labels"] = np.array(labels)
        rows = "".join(f"{name},{label}\n" for name, label in zip(files, labels, strict=True))
        files["labels.csv"] = f"file,label\n{rows}".encode()
    folder = place / "set"
    folder.mkdir(parents=True)
    with zipfile.ZipFile(place / "set.zip", "w") as archive:
        for name, content in files.items():
            (folder / name).write_bytes(content)
            archive.writestr(name, content)
    np.savez(place / "set.npz", **arrays)
    return folder, place / "set.zip", place / "set.npz"


def fid(real, judged, cache):
    metrics = {"fid": FrechetDistance(), "intra": IntraClassFrechet()}
    protocol = Protocol("test", DigitClassifier(), metrics, len(judged), sampling=Sampling(batch_size=16))
    return Evaluation([protocol], Splits(real, real), cache, CPU)(Stored(judged))["test"]


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA"])
@pytest.mark.filterwarnings("ignore::ganforge.metrics.inputs.FewSamplesWarning")
def test_the_same_pictures_have_the_same_values_whichever_way_they_come(mode, tmp_path):
    pictures = [Image.fromarray(noise(12, 12, 4, seed=seed)).convert(mode) for seed in range(48)]
    others = [Image.fromarray(noise(12, 12, 4, seed=seed)).convert(mode) for seed in range(100, 148)]
    labels = [10 + number % 2 for number in range(48)]
    judged = [read_images(path, tmp_path) for path in written(tmp_path / "judged", pictures, labels)]
    real = [read_images(path, tmp_path) for path in written(tmp_path / "real", others, labels)]
    assert all(split.label.tolist() == labels for split in judged)
    values = [fid(reference, split, tmp_path / "cache") for reference in real for split in judged]
    assert values[0]["fid"] > 0
    assert all(value == values[0] for value in values)
    if mode != "L":  # grey arrays stay grey
        assert len({split.data.fingerprint for split in judged}) == 1
    whole = [torch.as_tensor(split.data.read()).expand(-1, 3, -1, -1) for split in judged]
    assert torch.equal(whole[0], whole[1])
    assert torch.equal(whole[0], whole[2])


def test_every_kind_of_file_is_decoded_alike_by_folder_archive_and_training(tmp_path):
    folder = tmp_path / "set"
    folder.mkdir()
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for name, content in picture_files().items():
            (folder / name).write_bytes(content)
            archive.writestr(name, content)
    expected = [
        np.asarray(read_picture(io.BytesIO(content), 3).image) for _, content in sorted(picture_files().items())
    ]
    for path in (folder, tmp_path / "set.zip"):
        read = read_images(path, tmp_path / "cache").data.read().permute(0, 2, 3, 1).numpy()
        assert np.array_equal(read, np.stack(expected))
        source = ImageFolder(str(path), str(tmp_path / "cache"), heldout=0.1, workers=0)
        splits = source.load(Images([9, 7], 3))
        rows = torch.cat([splits.train.data.read(), splits.heldout.data.read()]).permute(0, 2, 3, 1).numpy()
        assert sorted(row.tobytes() for row in rows) == sorted(picture.tobytes() for picture in expected)


def test_many_files_of_an_archive_are_decoded_by_workers(tmp_path):
    pictures = [Image.fromarray(noise(5, 5, 3, seed=seed)) for seed in range(150)]
    folder, archive, arrays = (read_images(path, tmp_path) for path in written(tmp_path, pictures))
    assert folder.data.fingerprint == archive.data.fingerprint == arrays.data.fingerprint


def test_what_cannot_be_read_of_an_archive_is_counted(tmp_path, caplog):
    caplog.set_level("INFO")
    pictures = [Image.fromarray(noise(5, 5, 3, seed=seed)) for seed in range(9)]
    path = written(tmp_path, pictures)[1]
    content = bytearray(path.read_bytes())
    at = content.index(b"IDAT") + 8
    content[at] ^= 255  # zipfile finds another checksum
    path.write_bytes(content)
    assert len(read_images(path, tmp_path)) == 8
    assert "9 images: 1 unreadable and left out" in caplog.text
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("huge.png", huge_png(40_000, 40_000))
    with pytest.raises(
        GanforgeError, match=r"2 of 10 images cannot be read .*, and at most 1 may be: repair or remove"
    ):
        read_images(path, tmp_path)


def saved(path, **arrays):
    np.savez(path, **arrays)
    return path


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"images": noise(4, 8, 8, 2)}, r"shape \(4, 8, 8, 2\), read as .* 4 \(colour and transparency\)"),
        ({"images": noise(4, 2, 8, 8)}, r"shape \(4, 2, 8, 8\)"),
        ({"images": noise(4, 8, 8, 5)}, r"shape \(4, 8, 8, 5\)"),
        ({"images": np.zeros((0, 8, 8, 3), np.uint8)}, r"holds 0 images, and sets of at least 2"),
        ({"images": np.zeros((4, 0, 0, 3), np.uint8)}, r"at least 1 pixel"),
        ({"images": np.zeros((4, 0, 8), np.uint8)}, r"at least 1 pixel"),
        ({"images": noise(4, 8, 8, 3).astype(np.uint16)}, r"it holds uint16"),
        (
            {"images": noise(4, 8, 8, 3), "labels": np.array([0, 1, -1, 2])},
            r"labels that are not one whole number >= 0",
        ),
        ({"images": noise(4, 8, 8, 3), "labels": np.zeros(3, int)}, r"labels that are not one whole number >= 0"),
    ],
)
def test_arrays_that_are_no_images(arrays, said, tmp_path):
    with pytest.raises(GanforgeError, match=said):
        read_images(saved(tmp_path / "x.npz", **arrays), tmp_path)


@given(st.integers(2, 4), st.integers(1, 6), st.integers(1, 6), st.sampled_from([1, 3, 4]), st.booleans())
def test_channels_may_be_last_or_first(tmp_path_factory, count, height, width, channels, is_last):
    images = noise(count, height, width, channels)
    given_ = images if is_last else images.transpose(0, 3, 1, 2)
    if not is_last and width in (1, 3, 4):
        return  # either reading is possible, and the last axis is taken
    read = read_images(saved(tmp_path_factory.mktemp("x") / "x.npz", images=given_), None)
    assert read.data.modality.shape == (1 if channels == 1 else 3, height, width)
    if channels < 4:
        assert np.array_equal(read.data.read().permute(0, 2, 3, 1).numpy(), images)


@pytest.mark.parametrize("name", ["pipe.npz", "pipe.zip"])
def test_a_pipe_is_not_waited_for(name, tmp_path):
    os.mkfifo(tmp_path / name)
    with pytest.raises(GanforgeError, match=rf"{name}' is not a folder or a \.zip file"):
        read_images(tmp_path / name, tmp_path)
    with pytest.raises(GanforgeError, match=r"x\.zip' is not there"):
        read_images(tmp_path / "x.zip", tmp_path)


def test_sizes_are_those_of_upright_pictures(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(noise(4, 6, 3)).save(tmp_path / "a.png")
    Image.fromarray(noise(6, 4, 3)).save(tmp_path / "b.jpg", exif=exif)
    assert read_images(tmp_path, tmp_path / "cache").data.modality.shape == (3, 4, 6)

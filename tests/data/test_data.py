"""Batch order, datasets, and images that cannot be read."""

from pathlib import Path

import numpy as np
import pytest
import torch
from filelock import FileLock, Timeout
from PIL import Image

from ganforge.core.errors import GanforgeError
from ganforge.data.columns import Column, Split, Splits, labelled
from ganforge.data.decoded import decode
from ganforge.data.embedded import Digits, Mnist5k
from ganforge.data.fit import fit
from ganforge.data.folder import ImageFolder
from ganforge.data.images import grid, normalise, quantise
from ganforge.data.modality import Images
from ganforge.data.module import ImageData
from ganforge.data.order import BatchOrder, TrainingBatches, decoded
from ganforge.data.torchvision import TorchVision, in_memory, open_dataset


def stream(order, batches):
    return [indices for (_, indices), _ in zip(order, range(batches), strict=False)]


def test_order_is_a_function_of_seed_and_position():
    order = BatchOrder(103, 10, seed=3)
    batches = stream(order, 30)
    later = stream(BatchOrder(103, 10, seed=3, start=lambda: 70), 23)
    assert all(torch.equal(a, b) for a, b in zip(batches[7:], later, strict=True))
    assert not torch.equal(batches[0], stream(BatchOrder(103, 10, seed=4), 1)[0])
    flat = torch.cat(batches)
    assert flat[:103].sort().values.equal(torch.arange(103))
    assert flat[103:206].sort().values.equal(torch.arange(103))


@pytest.mark.parametrize("world_size", [2, 3])
def test_ranks_share_the_same_batches(world_size):
    whole = stream(BatchOrder(50, 12, seed=0), 9)
    parts = [stream(BatchOrder(50, 12, seed=0, rank=r, world_size=world_size), 9) for r in range(world_size)]
    for number, batch in enumerate(whole):
        shares = [part[number] for part in parts]
        assert sorted(torch.cat(shares).tolist()) == sorted(batch.tolist())
        assert {len(share) for share in shares} == {12 // world_size}


def test_batch_larger_than_the_dataset():
    (batch,) = stream(BatchOrder(7, 20, seed=0), 1)
    assert sorted(torch.bincount(batch).tolist()) == [2, 3, 3, 3, 3, 3, 3]


def test_batch_size_must_be_shared_evenly():
    with pytest.raises(GanforgeError, match="multiple of their number, 3"):
        BatchOrder(50, 10, seed=0, world_size=3)


def test_mirroring_is_a_function_of_position():
    images = torch.randint(0, 256, (40, 1, 4, 4), dtype=torch.uint8)
    split = Split(Column(images, Images(4, 1, horizontal_flip=0.5)))
    batches = TrainingBatches(split, BatchOrder(40, 8, seed=0))

    def mirrored(position, rows):
        seen = decoded(batches[(position, rows)], split).data
        as_stored, flipped = (normalise(images[rows]), normalise(images[rows]).flip(-1))
        chosen = (seen == flipped).flatten(1).all(1)
        assert torch.equal(torch.where(chosen[:, None, None, None], flipped, as_stored), seen)
        return chosen

    assert torch.equal(mirrored(16, torch.arange(8)), mirrored(16, torch.arange(8)))
    flips = torch.cat([mirrored(at, torch.arange(at % 32, at % 32 + 8)) for at in range(0, 8000, 8)])
    assert flips.float().mean() == pytest.approx(0.5, abs=0.03)


def test_mirror_and_normalise_on_the_device():
    data = ImageData(Digits(), image_size=8, channels=1, batch_size=4, horizontal_flip=1.0)
    stored = next(iter(data.train_dataloader()))
    assert stored.data.dtype == torch.uint8
    batch = data.on_after_batch_transfer(stored, 0)
    assert set(batch.given) == {"label"}
    assert torch.equal(batch.data, normalise(stored.data).flip(-1))
    first_and_third = torch.tensor([[1.0, 0, 0], [0, 0, 0], [1, 0, 0], [0, 0, 0]])
    chosen = stored.map(lambda column: first_and_third if column.is_floating_point() else column)
    batch = data.on_after_batch_transfer(chosen, 0)
    assert torch.equal(batch.data[0], normalise(stored.data)[0].flip(-1))
    assert torch.equal(batch.data[1], normalise(stored.data)[1])


def test_quantise_inverts_normalise():
    levels = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16)
    assert torch.equal(quantise(normalise(levels)), levels)
    assert quantise(torch.tensor([-7.0, 7.0])).tolist() == [0, 255]


def test_grid_is_not_black():
    picture = grid(torch.full((5, 1, 4, 4), 200, dtype=torch.uint8))
    assert picture.dtype == torch.uint8
    assert picture.shape[0] == 3
    assert (picture == 200).any()


def test_mnist5k():
    splits = Mnist5k().load(Images(32, 1))
    assert (len(splits.train), len(splits.heldout)) == (4500, 500)
    assert torch.bincount(splits.train.label).tolist() == [450] * 10
    assert torch.bincount(splits.heldout.label).tolist() == [50] * 10
    train = {image.numpy().tobytes() for image in splits.train.data.values}
    held = {image.numpy().tobytes() for image in splits.heldout.data.values}
    assert len(train & held) == 0
    padded = fit(splits.train.data.values, (1, 32, 32), "pad")
    assert torch.equal(padded[:, :, 2:30, 2:30], splits.train.data.values)
    assert padded[:, :, :2].max() == 0
    assert fit(splits.heldout.data.values, (3, 16, 16), "pad").shape == (500, 3, 16, 16)


def test_digits():
    splits = Digits().load(Images(8, 1))
    assert len(splits.train) + len(splits.heldout) == 1797
    assert splits.train.data.values.max() == 255


class Layout:
    """What torchvision's dataset classes look like from outside; the real files are downloads."""

    def __init__(self, data, **labels):
        self.data = data
        vars(self).update(labels)


@pytest.mark.parametrize(
    ("dataset", "shape"),
    [
        (
            Layout(torch.arange(2 * 28 * 28).view(2, 28, 28).to(torch.uint8), targets=torch.tensor([3, 1])),
            (2, 1, 28, 28),
        ),
        (Layout(np.arange(2 * 32 * 32 * 3).reshape(2, 32, 32, 3).astype(np.uint8), targets=[3, 1]), (2, 3, 32, 32)),
        (Layout(np.zeros((2, 3, 96, 96), np.uint8), labels=np.array([3, 1])), (2, 3, 96, 96)),
    ],
    ids=["MNIST", "CIFAR", "STL10 and SVHN"],
)
def test_layouts_of_torchvision(dataset, shape):
    split = in_memory(dataset, Images(shape[2:], shape[1]))
    assert split.data.values.shape == shape
    assert split.data.values.dtype == torch.uint8
    assert split.label.tolist() == [3, 1]
    if shape[1:] == (3, 32, 32):
        assert torch.equal(split.data.values[0, :, 0, 1], torch.from_numpy(dataset.data[0, 0, 1]))


def test_dataset_that_is_not_there(tmp_path):
    with pytest.raises(GanforgeError, match=r"CIFAR10 is not in .*download=true"):
        TorchVision("CIFAR10", str(tmp_path)).load(Images(32, 3))


def folder_of(tmp_path, good, bad=0, classes=("",)):
    generator = np.random.default_rng(0)
    for name in classes:
        (tmp_path / name).mkdir(exist_ok=True)
        for number in range(good):
            pixels = generator.integers(0, 256, (20, 30, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / name / f"{number}.png")
        for number in range(bad):
            (tmp_path / name / f"bad{number}.jpg").write_bytes(b"\xff\xd8 not a picture")
    return tmp_path


def test_folder_with_classes(tmp_path):
    (tmp_path / "set").mkdir()
    path = folder_of(tmp_path / "set", 10, classes=("cat", "dog"))
    splits = ImageFolder(str(path), str(tmp_path / "cache"), labelled=True).load(Images(16, 3))
    assert (len(splits.train), len(splits.heldout)) == (18, 2)
    assert splits.train.data.values.shape[1:] == (3, 16, 16)
    assert sorted(splits.heldout.label.tolist()) == [0, 1]


def test_cache_is_reused_and_follows_changes(tmp_path):
    (tmp_path / "set").mkdir()
    path = folder_of(tmp_path / "set", 8)
    cache = tmp_path / "cache"
    ImageFolder(str(path), str(cache)).load(Images(8, 1))
    (made,) = (cache / "decoded").iterdir()
    stamp = (made / "images.npy").stat().st_mtime_ns
    ImageFolder(str(path), str(cache)).load(Images(8, 1))
    assert (made / "images.npy").stat().st_mtime_ns == stamp
    Image.new("RGB", (9, 9)).save(path / "new.png")
    ImageFolder(str(path), str(cache)).load(Images(8, 1))
    assert len(list((cache / "decoded").iterdir())) == 2


def test_unreadable_images_are_counted_listed_and_limited(tmp_path):
    (tmp_path / "set").mkdir()
    path = folder_of(tmp_path / "set", 18, bad=2)
    with pytest.raises(GanforgeError, match=r"2 of 20 images cannot be read .*unreadable\.txt"):
        ImageFolder(str(path), str(tmp_path / "cache")).load(Images(8, 3))
    splits = ImageFolder(str(path), str(tmp_path / "cache"), max_unreadable=0.2).load(Images(8, 3))
    assert len(splits.train) + len(splits.heldout) == 18
    for listing in (tmp_path / "cache" / "decoded").glob("*/unreadable.txt"):
        assert [line.partition("\t")[0] for line in listing.read_text().splitlines()] == [
            str(path / "bad0.jpg"),
            str(path / "bad1.jpg"),
        ]


def test_odd_images_are_read(tmp_path):
    path = tmp_path / "odd"
    path.mkdir()
    Image.fromarray(np.full((12, 12), 40000, dtype=np.uint16)).save(path / "sixteen.png")
    Image.new("RGBA", (12, 12), (0, 0, 0, 0)).save(path / "clear.png")
    Image.new("L", (12, 12), 90).save(path / "grey.png")
    Image.new("P", (12, 12)).save(path / "palette.png")
    splits = ImageFolder(str(path), str(tmp_path / "cache"), heldout=0.3).load(Images(8, 3))
    images = torch.cat([splits.train.data.read(), splits.heldout.data.read()])
    assert sorted(images.float().mean((1, 2, 3)).round().tolist()) == [0, 90, 156, 255]


def test_labels_beyond_the_classes_are_refused():
    with pytest.raises(GanforgeError, match=r"data.classes=7 and the dataset's labels go up to 9: set data.classes=10"):
        ImageData(Digits(), image_size=8, channels=1, batch_size=4, classes=7).splits()


@pytest.mark.parametrize("path", ["nowhere", None])
def test_folder_that_is_not_there(tmp_path, path):
    with pytest.raises(GanforgeError, match=r"data\.source\.path"):
        ImageFolder(path and str(tmp_path / path), str(tmp_path)).load(Images(8, 3))


def test_large_folder_is_mapped_not_loaded(tmp_path, monkeypatch):
    (tmp_path / "set").mkdir()
    path = folder_of(tmp_path / "set", 20)
    monkeypatch.setattr("ganforge.data.folder.IN_MEMORY", 0)
    splits = ImageFolder(str(path), str(tmp_path / "cache")).load(Images(8, 3))
    assert isinstance(splits.train.data.values, np.memmap)
    assert (len(splits.train), len(splits.heldout)) == (18, 2)
    assert splits.train.batch(torch.tensor([0, 17])).data.shape == (2, 3, 8, 8)
    assert splits.train.data.fingerprint != splits.heldout.data.fingerprint
    assert fit(splits.train.data.values, (3, 8, 8), "resize") is splits.train.data.values


@pytest.mark.parametrize(
    ("key", "value"),
    [("image_size", 0), ("channels", 0), ("batch_size", 0), ("horizontal_flip", 1.5), ("margin", "crop")],
)
def test_impossible_values(key, value):
    options = {"image_size": 8, "channels": 1, "batch_size": 4, key: value}
    with pytest.raises(GanforgeError, match=f"data.{key}"):
        ImageData(Digits(), **options)


def test_one_process_downloads_at_a_time(tmp_path, monkeypatch):
    from torchvision import datasets

    seen = []

    def reader(root, download):
        guard = FileLock(tmp_path / ".lock")
        try:
            guard.acquire(timeout=0)
            guard.release()
            seen.append((download, "free"))
        except Timeout:
            seen.append((download, "held"))

    monkeypatch.setattr(datasets, "MNIST", reader)
    for download in (True, False):
        open_dataset("MNIST", tmp_path, download, {})
    assert seen == [(True, "held"), (False, "free")]
    with pytest.raises(GanforgeError, match=r"no 'MNITS': set data.source.name"):
        open_dataset("MNITS", tmp_path, False, {})


def test_images_without_labels_are_refused_where_labels_count():
    class Unlabelled:
        def load(self, modality):
            images = Column(torch.zeros(4, 1, 8, 8, dtype=torch.uint8), modality)
            split = labelled(images, torch.tensor([-1, 0, 1, -1]))
            return Splits(split, split)

    with pytest.raises(GanforgeError, match="some images have no label"):
        ImageData(Unlabelled(), image_size=8, channels=1, batch_size=2, classes=2).splits()
    ImageData(Unlabelled(), image_size=8, channels=1, batch_size=2).splits()


def test_a_cache_whose_writing_was_cut_short_is_filled_again(tmp_path, monkeypatch):
    for number in range(2):
        Image.new("L", (8, 8), number).save(tmp_path / f"{number}.png")
    files = sorted(tmp_path.glob("*.png"))
    write = Path.write_text

    def half(self, text, *arguments, **options):
        write(self, text[: len(text) // 2], *arguments, **options)
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_text", half)
        with pytest.raises(GanforgeError, match=r"cannot be kept in .*No space.*paths\.cache"):
            decode(files, None, Images(8, 1), tmp_path / "cache", workers=0)
    assert len(decode(files, None, Images(8, 1), tmp_path / "cache", workers=0)) == 2

"""Folders of two sides: layouts, what belongs together, and one sentence for each thing that does not."""

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from ganforge.core.errors import GanforgeError
from ganforge.data.columns import SOURCE, Split
from ganforge.data.modality import Images
from ganforge.data.pairs import PairedFolder, UnpairedFolder

HEIGHT, WIDTH = 6, 8


def numbered(number: int, blue: int) -> np.ndarray:
    """A picture that shows its number, and which side it is of."""
    picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    picture[..., 0], picture[..., 2] = number, blue
    return picture


def save(path: Path, picture: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(path)


def sides(*names: str, count: int = 5, splits: tuple[str, ...] = ("train", "test")) -> None:
    """Write ``count`` pictures of side A and B for each split, in folders named by ``{split}`` and ``{side}``."""
    for at, split in enumerate(splits):
        for number in range(count):
            for side, blue in (("A", 50), ("B", 200)):
                for name in names:
                    save(Path(name.format(split=split, side=side, number=number)), numbered(20 * at + number, blue))


def halves(count: int = 5, splits: tuple[str, ...] = ("train", "val")) -> None:
    for at, split in enumerate(splits):
        for number in range(count):
            pair = [numbered(20 * at + number, blue) for blue in (50, 200)]
            save(Path("set", split, f"{number}.png"), np.concatenate(pair, 1))


def loaded(kind: type[PairedFolder | UnpairedFolder], path: str = "set", **settings: Any) -> tuple[Split, Split]:
    splits = kind(path, "cache", workers=0, **settings).load(Images((HEIGHT, WIDTH), 3))
    return splits.train, splits.heldout


def read(split: Split) -> tuple[torch.Tensor, torch.Tensor, set[int], set[int]]:
    """Return the numbers of data and source, and the blue of each."""
    data, source = split.data.read(), split.given[SOURCE].read()
    return data[:, 0, 2, 2], source[:, 0, 2, 2], {*data[:, 2].flatten().tolist()}, {*source[:, 2].flatten().tolist()}


def zipped() -> None:
    sides("set/{split}{side}/{number}.png")
    with zipfile.ZipFile("set.zip", "w") as archive:
        for file in sorted(Path("set").rglob("*.png")):
            archive.write(file, file.relative_to("set"))


LAYOUTS: dict[str, Callable[[], None]] = {
    "cyclegan": lambda: sides("set/{split}{side}/{number}.png"),
    "with side in name": lambda: sides("set/{split}_{side}/{number}_{side}.png"),
    "sides first": lambda: sides("set/{side}/{split}/sub/{number}.png"),
    "halves": halves,
    "zipped": zipped,
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("direction", ["AtoB", "BtoA"])
def test_pairs_of_every_layout(layout: str, direction: Any) -> None:
    LAYOUTS[layout]()
    train, heldout = loaded(PairedFolder, "set.zip" if layout == "zipped" else "set", direction=direction)
    for split, numbers in ((train, range(5)), (heldout, range(20, 25))):
        data, source, of_data, of_source = read(split)
        assert split.paired
        assert sorted(data.tolist()) == [*numbers]
        assert torch.equal(data, source)
        assert (of_data, of_source) == (({200}, {50}) if direction == "AtoB" else ({50}, {200}))


def test_without_folders_of_splits_a_share_is_held_out() -> None:
    sides("set/{side}/{number}.png", count=10, splits=("train",))
    train, heldout = loaded(PairedFolder, heldout=0.3)
    for split, count in ((train, 7), (heldout, 3)):
        data, source, *_ = read(split)
        assert len(data) == count
        assert torch.equal(data, source)
    assert not {*read(train)[0].tolist()} & {*read(heldout)[0].tolist()}


def test_an_unreadable_file_takes_its_partner_with_it(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    sides("set/{split}{side}/{number}.png")
    Path("set/trainB/1.png").write_bytes(b"no picture")
    Path("set/trainA/3.png").write_bytes(b"no picture")
    data, source, *_ = read(loaded(PairedFolder)[0])
    assert data.tolist() == source.tolist() == [0, 2, 4]
    assert "5 images: 1 unreadable and left out" in caplog.text


def test_unpaired_sides_may_have_any_number() -> None:
    sides("set/{split}{side}/{number}.png")
    for number in (5, 6, 7):
        save(Path(f"set/trainA/other{number}.png"), numbered(number, 50))
    train, heldout = loaded(UnpairedFolder)
    assert not train.paired
    assert not heldout.paired
    assert (len(train), len(train.given[SOURCE])) == (5, 8)
    sides("alone/{side}/{number}.png", count=10, splits=("train",))
    train, heldout = loaded(UnpairedFolder, "alone")
    assert [len(column) for part in (train, heldout) for column in (part.data, part.given[SOURCE])] == [9, 9, 1, 1]


def test_grey_data_keep_a_source_in_colour() -> None:
    sides("set/{split}{side}/{number}.png")
    train = PairedFolder("set", "cache", workers=0).load(Images((HEIGHT, WIDTH), 1)).train
    assert train.data.read().shape[1] == 1
    assert train.given[SOURCE].read().shape[1] == 3


def broken(change: Callable[[], Any], layout: str = "cyclegan") -> Callable[[], Any]:
    return lambda: (LAYOUTS[layout](), change())


def remove(pattern: str) -> None:
    for path in sorted(Path("set").glob(pattern), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()


PROBLEMS: dict[str, tuple[Callable[[], Any], type, str]] = {
    "no folder": (lambda: None, PairedFolder, r"data\.source\.path: 'set' is not a folder"),
    "no picture": (lambda: Path("set").mkdir(), PairedFolder, r"'set' holds no image: give the folder of the pairs"),
    "no B": (
        broken(lambda: (remove("*B/*"), remove("*B"))),
        PairedFolder,
        r"'set' holds 'trainA' and no pictures of side B: add 'trainB'",
    ),
    "no A": (
        broken(lambda: (remove("A/*/*/*"), remove("A/*/*"), remove("A/*"), remove("A")), "sides first"),
        UnpairedFolder,
        r"'set' holds 'B/train' and no pictures of side A: add 'A/train'",
    ),
    "unequal": (
        broken(lambda: remove("trainB/2.png")),
        PairedFolder,
        r"'set' holds 5 and 4 pictures in trainA and trainB, and 'set/trainA/2\.png' has no partner of the same name "
        r"on side B \(1 have none\): add or remove them, or use data=unpaired_folder",
    ),
    "other size": (
        broken(lambda: save(Path("set/testB/2.png"), np.zeros((9, 8, 3), np.uint8))),
        PairedFolder,
        r"'set/testA/2\.png' has 8 x 6 pixels and its partner 'set/testB/2\.png' 8 x 9 pixels",
    ),
    "odd width": (
        broken(lambda: save(Path("set/val/2.png"), np.zeros((6, 17, 3), np.uint8)), "halves"),
        PairedFolder,
        r"'set/val/2\.png' has 17 x 6 pixels and cannot be cut into two sides",
    ),
    "mixed": (
        broken(lambda: save(Path("set/train/2.png"), numbered(1, 1))),
        PairedFolder,
        "inside of folders of A and B and others besides them: keep one layout",
    ),
    "nothing to train on": (
        broken(lambda: (remove("train/*"), remove("train")), "halves"),
        PairedFolder,
        r"'set' holds val, and nothing to train on",
    ),
    "outside": (
        broken(lambda: save(Path("set/2.png"), numbered(1, 1)), "halves"),
        PairedFolder,
        r"'set' holds train, val, and pictures outside of them",
    ),
    "halves as unpaired": (LAYOUTS["halves"], UnpairedFolder, "has no folders of A and B.* use data=paired_folder"),
}


@pytest.mark.parametrize("problem", PROBLEMS)
def test_one_sentence_for_each_problem(problem: str) -> None:
    prepare, kind, said = PROBLEMS[problem]
    prepare()
    with pytest.raises(GanforgeError, match=said):
        loaded(kind)


def test_a_folder_must_be_named() -> None:
    with pytest.raises(GanforgeError, match=r"add data\.source\.path=FOLDER"):
        PairedFolder(None, "cache")

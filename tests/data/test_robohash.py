"""Robots of known parts: every column tells what is drawn, and nothing of it is in both splits."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ganforge.core.config import compose
from ganforge.core.errors import GanforgeError
from ganforge.data import robot_parts
from ganforge.data.columns import LABEL, SOURCE, TEXT, UNSEEN, Column, Split
from ganforge.data.modality import Images
from ganforge.data.robohash import SOURCE_LABEL, Robohash
from ganforge.data.robot_captions import ACCESSORIES, EYES, VOCABULARY
from ganforge.data.robot_parts import COLOURS, Drawings

SIDE = 32


def source(cache: Path, **settings: Any) -> Robohash:
    return Robohash(str(cache), **{"count": 60, "heldout": 40, **settings})


def captions(split: Split) -> list[str]:
    column = split.given[TEXT]
    return [bytes(row).rstrip(b"\0").decode() for row in column.read().numpy()]


def test_files_of_a_part_are_the_same_in_every_colour() -> None:
    """By the number that ends the name; the one that begins it is shuffled, and other parts do not agree."""
    blue = Drawings("robots", "blue", 64)
    for colour in COLOURS[1:]:
        other = Drawings("robots", colour, 64)
        assert [len(layer) for layer in other.files] == [10] * 5
        for ours, theirs in zip(blue.files, other.files, strict=True):
            numbers = [[re.search(r"(\d+)\.png$", file.name)[1] for file in files] for files in (ours, theirs)]  # type: ignore[index]
            assert numbers[0] == numbers[1]
    shapes = [Drawings("robots", colour, 64).label(np.arange(0, 100_000, 4321)) > 0 for colour in ("blue", "red")]
    overlap = (shapes[0] & shapes[1]).sum((1, 2, 3)) / (shapes[0] | shapes[1]).sum((1, 2, 3))
    assert overlap.min() > 0.97
    shuffled = np.roll(shapes[1], 1, 0)
    assert ((shapes[0] & shuffled).sum((1, 2, 3)) / (shapes[0] | shuffled).sum((1, 2, 3))).mean() < 0.9


def test_pictures_are_those_that_robohash_assembles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own composition at 1024 pixels, scaled down, but for edges: it lays the lowest part down twice."""
    from PIL import Image
    from robohash import Robohash as Original

    opened: list[str] = []
    really_open = Image.open
    monkeypatch.setattr(Image, "open", lambda path: (opened.append(path), really_open(path))[1])
    original = Original("a name")
    original.assemble(roboset="set1", color="green", sizex=64, sizey=64)
    monkeypatch.undo()
    mine, chosen = Drawings("robots", "green", 64), {Path(path) for path in opened}
    digits = [[file in chosen for file in layer].index(True) for layer in mine.files]
    number = np.ravel_multi_index(digits, [len(layer) for layer in mine.files])
    page = np.asarray(original.img.convert("RGBA")).astype(np.float32)
    expected = page[..., :3] * page[..., 3:] / 255 + 255 - page[..., 3:]
    drawn = mine.compose(np.array([number]))[0].transpose(1, 2, 0)
    assert 10 * np.log10(255**2 / ((drawn - expected) ** 2).mean()) > 28


def test_no_drawing_is_in_both_splits_in_any_colour(session_cache: Path) -> None:
    settings: dict[str, Any] = {"source": "parts", "count": 300, "heldout": 300}
    splits = source(session_cache, **settings).load(Images(SIDE, 3))
    maps = [{row.tobytes() for row in split.given[SOURCE].read().numpy()} for split in (splits.train, splits.heldout)]
    assert len(maps[0]) > 290
    assert not maps[0] & maps[1]


def test_labels_are_balanced_and_are_the_colours(session_cache: Path) -> None:
    train = source(session_cache, source="parts").load(Images(SIDE, 3)).train
    label = train.given[LABEL].read()
    assert torch.bincount(label).tolist() == [6] * 10
    faces = train.given[SOURCE].read() == 2
    seen = {}
    for colour in range(10):
        rows = label == colour
        seen[COLOURS[colour]] = (train.data.read()[rows].float() * faces[rows]).sum((0, 2, 3)) / faces[rows].sum()
    red, green, blue = seen["red"], seen["green"], seen["blue"]
    assert red.argmax() == 0
    assert green.argmax() == 1
    assert blue.argmax() == 2
    assert seen["white"].min() > 180
    assert seen["grey"].max() - seen["grey"].min() < 12 < seen["brown"][0] - seen["brown"][2]


def test_the_source_is_the_same_drawing_in_the_colour_that_it_says(session_cache: Path) -> None:
    pairs = source(session_cache, source="colour").load(Images(SIDE, 3)).train
    label, other = pairs.given[LABEL].read(), pairs.given[SOURCE_LABEL].read()
    assert (label != other).all()
    assert len({*other.tolist()}) == 10
    drawn, source_ = (column.read() < 250 for column in (pairs.data, pairs.given[SOURCE]))
    dark = [((column.read().float().mean(1)) < 70) for column in (pairs.data, pairs.given[SOURCE])]
    assert ((dark[0] == dark[1]).float().mean((1, 2)) > 0.85).all()  # outlines are dark in every colour
    both = (drawn.any(1) & source_.any(1)).sum((1, 2)) / (drawn.any(1) | source_.any(1)).sum((1, 2))
    colourful = (label != COLOURS.index("white")) & (other != COLOURS.index("white"))
    assert both[colourful].min() > 0.9


def test_captions_and_unseen_combinations(session_cache: Path) -> None:
    splits = source(session_cache, text=True, unseen=True, count=200).load(Images(SIDE, 3))
    for split in (splits.train, splits.heldout):
        for text, label, unseen in zip(
            captions(split), split.given[LABEL].read().tolist(), split.given[UNSEEN].read().tolist(), strict=True
        ):
            found = re.fullmatch(r"an? (\w+) robot with (.+) and (.+)", text)
            assert found
            assert found[1] == COLOURS[label]
            assert found[2] in EYES
            assert unseen == (ACCESSORIES.index(found[3]) == label)
            assert text.startswith(("an o", "a "))
    assert not splits.train.given[UNSEEN].read().any()
    assert splits.heldout.given[UNSEEN].read().float().mean() == 0.5


def test_the_option_s_vocabulary_and_classes_agree_with_the_source(session_cache: Path) -> None:
    config = compose(["data=robohash_text"])
    assert config.data.given.text.vocabulary == [*VOCABULARY]
    for name in ("robohash", "robohash_colours", "robohash_parts", "robohash_text"):
        settings = compose([f"data={name}"]).data
        built = source(session_cache, source=settings.source.get("source"))
        assert settings.classes == built.classes
        if name == "robohash_parts":
            assert settings.given.source.classes == built.part_classes


def test_what_was_composed_is_read_and_not_composed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = source(tmp_path).load(Images(SIDE, 3)).train.data
    monkeypatch.setattr(Drawings, "compose", lambda *_: pytest.fail("composed twice"))
    again = source(tmp_path).load(Images(SIDE, 3)).train.data
    assert first.fingerprint == again.fingerprint == Column(again.read(), again.modality).fingerprint
    (array,) = [path for path in tmp_path.glob("composed/*/images.npy") if np.load(path).shape[0] == 60]
    content = bytearray(array.read_bytes())
    content[-1] ^= 255
    array.write_bytes(content)
    monkeypatch.undo()
    assert source(tmp_path).load(Images(SIDE, 3)).train.data.fingerprint == first.fingerprint


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"sets": ["dogs"]}, r"sets must be different ones out of robots, monsters, heads, cats, got \['dogs'\]"),
        ({"sets": []}, "sets must be"),
        ({"sets": ["cats"]}, r"Robots alone come in colours"),
        ({"sets": ["robots", "cats"], "label": "set", "unseen": True}, r"data\.source\.unseen=false"),
        ({"count": 60_000}, r"100,000 drawings of robots.* ask for 60,040: make them 50,000"),
    ],
)
def test_refusals(settings: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(GanforgeError, match=said):
        source(tmp_path, **settings).load(Images(SIDE, 3))
    with pytest.raises(GanforgeError, match="draws square images"):
        source(tmp_path).load(Images((16, 32), 3))


def test_without_the_package_the_command_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(robot_parts, "find_spec", lambda name: None)
    with pytest.raises(GanforgeError, match=r"is not installed: .*pip install .*\[robohash\]"):
        source(tmp_path).load(Images(SIDE, 3))


@pytest.mark.slow
def test_all_sets_together(tmp_path: Path) -> None:
    """Cats and heads are large files: half a minute."""
    sets = ["robots", "monsters", "heads", "cats"]
    made = source(tmp_path, sets=sets, label="set", source="parts", text=True)
    train = made.load(Images(SIDE, 3)).train
    assert torch.bincount(train.given[LABEL].read()).tolist() == [15] * 4
    classes = train.given[SOURCE].read().flatten(1)
    limits = [1, 6, 13, 20, 25]
    for kind in range(4):
        own = classes[train.given[LABEL].read() == kind]
        own = own[own > 0]
        assert limits[kind] <= own.min()
        assert own.max() < limits[kind + 1]
    assert captions(train)[1:4] == ["a monster", "a robot head", "a cat"]

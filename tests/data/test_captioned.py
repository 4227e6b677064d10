"""Pictures with captions, and texts as tokens."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hydra.utils import instantiate
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from ganforge.core.config import compose
from ganforge.core.errors import GanforgeError
from ganforge.data.captioned import CaptionedFolder
from ganforge.data.columns import TEXT, Splits
from ganforge.data.modality import Images
from ganforge.data.texts import Texts, text_column

COUNT = 6


def pictures() -> None:
    Path("set/birds").mkdir(parents=True)
    for number in range(COUNT):
        Image.new("RGB", (8, 8), (number, 0, 0)).save(f"set/birds/{number}.png")


def table(rows: dict[str, str | list[str]]) -> None:
    lines = [
        f'{name},"{text}"' for name, texts in rows.items() for text in ([texts] if isinstance(texts, str) else texts)
    ]
    Path("set/captions.csv").write_text("\n".join(["file,caption", *lines]))


def usual() -> dict[str, str | list[str]]:
    return {f"birds/{number}.png": f"Bird {number}, red" for number in range(COUNT)}


def beside() -> None:
    for number in range(COUNT):
        Path(f"set/birds/{number}.txt").write_text(f"Bird {number}, red\n\n")


def loaded() -> Splits:
    return CaptionedFolder("set", "cache", workers=0, heldout=0.34).load(Images(8, 3))


@pytest.mark.parametrize("write", [lambda: table(usual()), beside], ids=["table", "files"])
def test_every_picture_has_its_caption(write: Callable[[], None]) -> None:
    pictures()
    write()
    splits = loaded()
    assert (len(splits.train), len(splits.heldout)) == (4, 2)
    for split in (splits.train, splits.heldout):
        texts = Texts(3, ["bird", "red", *map(str, range(COUNT))])
        stored = texts.fit(split.given[TEXT].read())
        assert isinstance(stored, torch.Tensor)
        assert texts.texts(stored) == [f"bird {number} red" for number in split.data.read()[:, 0, 0, 0].tolist()]


def test_several_captions_are_several_samples_of_one_split() -> None:
    pictures()
    table({**usual(), "birds/2.png": ["one", "two", "three"]})
    splits = loaded()
    assert len(splits.train) + len(splits.heldout) == COUNT + 2
    shown = [{*split.data.read()[:, 0, 0, 0].tolist()} for split in (splits.train, splits.heldout)]
    assert not shown[0] & shown[1]


PROBLEMS: dict[str, tuple[Callable[[], object], str]] = {
    "no captions": (
        lambda: None,
        r"'set' has no caption for 6 of 6 pictures, such as 'birds/0\.png': add them to captions",
    ),
    "one is missing": (
        lambda: table({name: text for name, text in usual().items() if name != "birds/3.png"}),
        r"'captions\.csv' in 'set' has no caption for 1 of 6 pictures, such as 'birds/3\.png'",
    ),
    "one too many": (
        lambda: table({**usual(), "birds/9.png": "a ghost"}),
        r"has captions for 1 pictures that are not there, such as 'birds/9\.png': add these pictures, or remove",
    ),
    "a file too many": (
        lambda: (beside(), Path("set/birds/ghost.txt").write_text("a ghost")),
        r"captions for 1 pictures that are not there, such as 'birds/ghost\.txt'",
    ),
    "no header": (
        lambda: Path("set/captions.csv").write_text("birds/0.png,red"),
        "must begin with the line file,caption",
    ),
    "a comma too many": (
        lambda: Path("set/captions.csv").write_text("file,caption\nbirds/0.png,red, green"),
        r"holds the row \['birds/0\.png', 'red', ' green'\].*quotation marks",
    ),
    "no text": (lambda: Path("set/captions.csv").write_bytes(b"file,caption\n\xff\xff,a"), "cannot be read as UTF-8"),
    "an empty file": (
        lambda: (beside(), Path("set/birds/1.txt").write_text(" \n")),
        r"no caption for 1 of 6 pictures, such as 'birds/1\.png'",
    ),
}


@pytest.mark.parametrize("problem", PROBLEMS)
def test_one_sentence_for_each_problem(problem: str) -> None:
    write, said = PROBLEMS[problem]
    pictures()
    write()
    with pytest.raises(GanforgeError, match=said):
        loaded()


def test_captions_are_fitted_to_the_option_s_tokens() -> None:
    pictures()
    table(usual())
    overrides = ["data=captioned_folder", "data.source.path=set", "data.source.workers=0", "data.image_size=8"]
    overrides += ["data.load_size=null"]
    data = instantiate(compose(overrides).data)
    column = data.splits().train.given[TEXT]
    assert column.values.shape[1] == data.example().given[TEXT].shape[1] == 200
    assert column.modality.texts(column[torch.arange(1)])[0].startswith("Bird ")
    with pytest.raises(GanforgeError, match=r"has 11 tokens, and texts have 1 to 5: .* data\.given\.text\.length=11"):
        instantiate(compose([*overrides, "data.given.text.length=5"]).data).splits()
    words = [*overrides, "data.given.text.vocabulary=[bird,blue,'0','1','2','3','4','5']"]
    with pytest.raises(GanforgeError, match=r"'red', which is none of the 8 words of data\.given\.text\.vocabulary"):
        instantiate(compose(words).data).splits()


@given(st.lists(st.text(min_size=1).filter(lambda text: text.strip() and "\0" not in text), min_size=1, max_size=5))
def test_bytes_give_back_any_text(texts: list[str]) -> None:
    stored = text_column(texts)
    tokens = Texts(200).fit(stored.read())
    assert isinstance(tokens, torch.Tensor)
    assert Texts(200).texts(tokens) == [text.strip() for text in texts]


@given(st.lists(st.lists(st.sampled_from(["a", "red", "étoile"]), min_size=1, max_size=4), min_size=1, max_size=5))
def test_words_give_back_their_texts(rows: list[list[str]]) -> None:
    texts = Texts(4, ["a", "red", "étoile"])
    written = [" ".join(row) for row in rows]
    assert texts.texts(texts.tokenise([f" {text.upper()}." for text in written])) == written
    assert texts.tokenise(written).max() < texts.tokens


@pytest.mark.parametrize("vocabulary", [[], ["a", "a"], ["A"], ["two words"], ["dot."]])
def test_impossible_vocabularies(vocabulary: list[str]) -> None:
    with pytest.raises(GanforgeError, match="different words in lower case"):
        Texts(4, vocabulary)

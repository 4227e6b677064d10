"""Letters in two faces, and scenes of two shapes: what columns say is what is drawn."""

import re

import pytest
import torch
from hydra.utils import instantiate

from ganforge.core.config import compose
from ganforge.core.errors import GanforgeError
from ganforge.data.columns import LABEL, SOURCE, TEXT, UNSEEN
from ganforge.data.glyphs import FACES, Glyphs
from ganforge.data.modality import Images
from ganforge.data.scenes import PLACES, Scenes
from ganforge.data.shapes import COLOURS

GLYPHS = Images(32, 1)


def test_letters_are_the_same_in_both_faces_and_no_letter_is_in_both_splits() -> None:
    splits = Glyphs().load(GLYPHS)
    assert len(splits.train) > 1400
    assert len(splits.heldout) == round((len(splits.train) + len(splits.heldout)) / 10)
    for split in (splits.train, splits.heldout):
        data, source = (column.read().float().flatten(1) for column in (split.data, split.given[SOURCE]))
        own = torch.nn.functional.cosine_similarity(data, source)
        other = torch.nn.functional.cosine_similarity(data, source.roll(1, 0))
        assert (own > other).float().mean() > 0.95
        assert (data - source).abs().mean() / 255 == pytest.approx(0.046, abs=0.005)
    drawn = [{row.tobytes() for row in split.data.read().numpy()} for split in (splits.train, splits.heldout)]
    assert not drawn[0] & drawn[1]  # Latin, Greek and Cyrillic A look alike


def test_several_faces_are_classes() -> None:
    faces = ["serif", "mono", "times_bold"]
    splits = Glyphs(faces=faces).load(GLYPHS)
    label = splits.heldout.given[LABEL].read()
    assert torch.bincount(label).unique().tolist() == [len(label) // 3]
    source = splits.heldout.given[SOURCE].read().chunk(3)
    assert torch.equal(source[0], source[2])


def test_unknown_faces() -> None:
    with pytest.raises(GanforgeError, match="Faces must be different ones out of sans, sans_bold"):
        Glyphs(faces=["comic"])
    assert "sans" in FACES


def test_captions_say_what_is_where() -> None:
    heldout = Scenes(8, 120, unseen=True).load(Images(32, 3)).heldout
    pictures = heldout.data.read().float()
    texts = [bytes(row).rstrip(b"\0").decode() for row in heldout.given[TEXT].read().numpy()]
    grid = torch.arange(32).float()
    for picture, text, place in zip(pictures, texts, heldout.given[LABEL].read().tolist(), strict=True):
        found = re.fullmatch(r"an? (\w+) (\w+) (left of|right of|above|below) an? (\w+) (\w+)", text)
        assert found
        assert found[3] == PLACES[place]
        if found[1] == found[4]:
            continue
        centres = []
        for name in (found[1], found[4]):
            mask = ((picture - torch.tensor(COLOURS[name])[:, None, None].float()).abs().sum(0) < 60).float()
            assert mask.sum() > 10, text
            centres.append(((mask * grid).sum() / mask.sum(), (mask * grid[:, None]).sum() / mask.sum()))
        (x, y), (other_x, other_y) = centres
        assert (x < other_x, x > other_x, y < other_y, y > other_y)[place], text


def test_unseen_combinations_are_never_trained_on() -> None:
    splits = Scenes(400, 100, unseen=True).load(Images(16, 3))
    rare = ("red circle", "green square", "blue triangle", "yellow star")
    for split in (splits.train, splits.heldout):
        texts = [bytes(row).rstrip(b"\0").decode() for row in split.given[TEXT].read().numpy()]
        assert [int(any(name in text for name in rare)) for text in texts] == split.given[UNSEEN].read().tolist()
    assert not splits.train.given[UNSEEN].read().any()
    assert splits.heldout.given[UNSEEN].read().float().mean() == 0.5


def test_the_option_s_vocabulary_and_classes_agree_with_the_source() -> None:
    config = compose(["data=scenes"])
    assert config.data.given.text.vocabulary == instantiate(config.data.source).vocabulary
    assert config.data.classes == len(PLACES)


def test_scenes_do_not_depend_on_the_resolution() -> None:
    fine, coarse = (Scenes(32, 1).load(Images(size, 3)).train.data.read().float() for size in (64, 32))
    assert (torch.nn.functional.avg_pool2d(fine, 2) - coarse).abs().mean() < 1


def test_refusals() -> None:
    with pytest.raises(GanforgeError, match="at least 2 names"):
        Scenes(shapes=["circle"])
    with pytest.raises(GanforgeError, match=r"data\.source\.colours must be different ones"):
        Scenes(colours=["red", "pink"])
    with pytest.raises(GanforgeError, match="draws square images"):
        Scenes().load(Images((16, 32), 3))

"""What pictures show of what captions say: real pictures nearly all, shuffled captions as much as chance."""

from importlib.resources import files

import pytest
import torch
from comparisons import compare
from safetensors import safe_open

from ganforge.core.errors import GanforgeError
from ganforge.data.columns import TEXT, UNSEEN, Split, Splits
from ganforge.data.modality import Images
from ganforge.data.scenes import Scenes
from ganforge.data.texts import Texts, byte_texts, text_column
from ganforge.metrics.attributes import AttributeAccuracy, RPrecision
from ganforge.metrics.captions import KINDS
from ganforge.metrics.evaluation import Evaluation
from ganforge.metrics.extractors import AttributeClassifier
from ganforge.metrics.protocol import Protocol
from ganforge.metrics.sources import Stored
from ganforge.testing import check_metric

SCENES = Scenes(4, 400, unseen=True)
VOCABULARY = SCENES.vocabulary


@pytest.fixture(scope="module")
def heldout():
    """Held-out scenes, which the classifier has not seen, with captions as tokens."""
    split = SCENES.load(Images(32, 3)).heldout
    texts = Texts(8, VOCABULARY)
    column = split.given[TEXT]
    return Split(split.data, {**split.given, TEXT: type(column)(texts.fit(column.values), texts)})


def stated(*captions, kind="scenes"):
    return KINDS[kind].numbers(captions).tolist()


def test_captions_that_describe_one_picture_state_the_same():
    left = stated("a red circle left of a blue square")
    assert left == stated("a blue square right of a red circle") == [[0, 0, 0, 2, 1, -1, -1, -1, -1]]
    above = stated("a yellow star below a green triangle", "a green triangle above a yellow star")
    assert above == [[1, -1, -1, -1, -1, 1, 2, 3, 3]] * 2
    assert stated("an orange robot with one red eye and an aerial", kind="robots")[0][1:] == [2, 7]
    for caption in ("a bird", "a pink circle left of a blue square"):
        with pytest.raises(
            GanforgeError, match="captions as 'a red circle left of a blue square' state, and one is 'a"
        ):
            stated(caption)


def protocol(**options):
    metrics = {"attributes": AttributeAccuracy(), "r": RPrecision()}
    return Protocol("text", AttributeClassifier(), metrics, num_fake=400, split="heldout", **options)


def test_real_pictures_have_what_their_captions_say(heldout, tmp_path):
    found = Evaluation([protocol()], Splits(heldout, heldout), tmp_path, torch.device("cpu"))(Stored(heldout))["text"]
    for name in ("attributes", "attributes_seen", "attributes_unseen", "r_precision_seen", "r_precision_unseen"):
        assert found[name] >= 0.97, (name, found)


def test_shuffled_captions_are_right_by_chance(heldout, tmp_path):
    """Half of the places and a tenth of the others, a quarter of colours and shapes; R-precision is one of ten."""
    order = torch.randperm(400, generator=torch.Generator().manual_seed(0))
    shuffled = Split(heldout.data, {name: column.take(order) for name, column in heldout.given.items()})
    evaluation = Evaluation([protocol()], Splits(shuffled, shuffled), tmp_path, torch.device("cpu"))
    found = evaluation(Stored(shuffled))["text"]
    assert found["attributes"] == pytest.approx((0.55 + 4 / 4) / 5, abs=0.05)
    assert found["r_precision"] == pytest.approx(0.1, abs=0.05)
    assert found["all_attributes"] < 0.05


def test_parts_by_hand():
    """Four pictures, of which the classifier is sure: two right, one with a wrong shape, one with nothing right."""
    captions = ["a red circle left of a blue square", "a green star above a red circle"] * 2
    shown = KINDS["scenes"].numbers(captions).clamp_min(0)
    shown[2, 4] = 0  # the right one's shape
    shown[3] = torch.tensor([0, 0, 0, 0, 0, 0, 0, 1, 1])  # what is above is a red circle, and what is below green
    one_hot = [torch.nn.functional.one_hot(shown[:, k], size) for k, size in enumerate(KINDS["scenes"].sizes)]
    logits = 20.0 * torch.cat(one_hot, 1)
    logits[0, :2] = torch.tensor([0.0, 1.0])  # of both places: the stated one has a little more than a quarter
    comparison = compare(
        torch.rand(4, 3), fake_logits=logits, captions=text_column(captions).values, unseen=torch.tensor([0, 0, 0, 1])
    )
    found = AttributeAccuracy()(comparison)
    assert found["attributes"] == pytest.approx((5 + 5 + 4 + 0) / 20)
    assert found["attributes_seen"] == pytest.approx(14 / 15)
    assert found["attributes_unseen"] == 0
    assert found["all_attributes_seen"] == pytest.approx(2 / 3)
    assert found["attribute_shape"] == pytest.approx(5 / 8)
    assert found["attribute_place"] == 0.75
    assert RPrecision(wrong=1)(comparison) == {
        "r_precision": 0.75,
        "r_precision_seen": 1.0,
        "r_precision_unseen": 0.0,
    }
    with pytest.raises(GanforgeError, match="wants 9 captions that state something else, and there are 2"):
        RPrecision()(comparison)
    for metric in (AttributeAccuracy(), RPrecision(wrong=2)):
        check_metric(metric, comparison)


@pytest.mark.parametrize("kind", KINDS)
def test_a_classifier_states_its_accuracy(kind):
    with safe_open(str(files("ganforge.metrics") / f"attributes_{kind}.safetensors"), "pt") as file:
        metadata = file.metadata()
    shares = [float(metadata[f"heldout_attribute_{name}"]) for name in KINDS[kind].kinds]
    assert min(shares) >= 0.97
    assert AttributeClassifier(kind).load().classes == sum(KINDS[kind].sizes)


def test_the_stated_accuracy_is_so(heldout):
    with safe_open(str(files("ganforge.metrics") / "attributes_scenes.safetensors"), "pt") as file:
        metadata = file.metadata()
    features, logits = AttributeClassifier().load().module(heldout.data.read())
    texts = heldout.given[TEXT]
    told = {"captions": texts.modality.to_bytes(texts.read()), "unseen": heldout.given[UNSEEN].read()}
    found = AttributeAccuracy()(compare(features, fake_logits=logits, **told))
    for name, value in found.items():
        assert value == pytest.approx(float(metadata[f"heldout_{name}"]), abs=0.03), name


def test_captions_go_through_bytes():
    texts = Texts(4, ["red", "naïve", "green"])
    tokens = texts.tokenise(["red naïve green red", "green"])
    assert byte_texts(texts.to_bytes(tokens)) == ["red naïve green red", "green"]
    assert texts.to_bytes(tokens).shape == (2, 28)
    assert texts.to_bytes(tokens[1:]).shape == (1, 28)
    letters = Texts(9)
    assert byte_texts(letters.to_bytes(letters.tokenise(["a bird"]))) == ["a bird"]


def test_data_without_captions_are_refused(heldout, tmp_path):
    bare = Split(heldout.data, {UNSEEN: heldout.given[UNSEEN]})
    evaluation = Evaluation([protocol()], Splits(bare, bare), tmp_path, torch.device("cpu"))
    with pytest.raises(
        GanforgeError, match=r"measures attributes, r, which needs captions: choose data that have them"
    ):
        evaluation(Stored(bare))
    with pytest.raises(GanforgeError, match="one of scenes, robots"):
        AttributeClassifier("birds")

"""Word vectors of a package: how words are cut, and what is said where it is absent or damaged."""

import json
from importlib.util import find_spec

import pytest
import torch
from safetensors.torch import save_file

from ganforge.core.errors import GanforgeError
from ganforge.networks import word_vectors
from ganforge.networks.text import Recurrent
from ganforge.networks.word_vectors import WordLlama, pieces

MERGES = ["r e", "▁ re", "▁re d", "a n", "▁ b", "▁b l"]
RANKS = {tuple(merge.split()): rank for rank, merge in enumerate(MERGES)}
VOCABULARY = ["▁red", "▁bl", "u", "e", "▁", "<0xC3>", "<0xA9>"]


@pytest.mark.parametrize(
    ("word", "cut"),
    [("red", ["▁red"]), ("blue", ["▁bl", "u", "e"]), ("bran", ["▁b", "r", "an"]), ("rere", ["▁re", "re"])],
)
def test_words_are_cut_by_the_order_of_merges(word, cut):
    assert pieces(word, RANKS) == cut


@pytest.fixture
def package(tmp_path):
    """A package of the same layout, with seven tokens of two numbers."""
    for name in ("tokenizers", "weights"):
        (tmp_path / name).mkdir()
    model = {"merges": MERGES, "vocab": {token: number for number, token in enumerate(VOCABULARY)}}
    (tmp_path / "tokenizers" / "l2_supercat_tokenizer_config.json").write_text(json.dumps({"model": model}))
    vectors = torch.arange(14).view(7, 2).half()
    save_file({"embedding.weight": vectors}, tmp_path / "weights" / "l2_supercat_256.safetensors")
    return tmp_path


def test_a_words_vector_is_the_mean_of_its_tokens(package):
    """Token k has 2 k and 2 k + 1; a letter that is no token is its bytes."""
    found = WordLlama(str(package))(["red", "blue", "é"])
    expected = torch.tensor([[0.0, 1.0], [4.0, 5.0], [(8 + 10 + 12) / 3, (9 + 11 + 13) / 3]])
    torch.testing.assert_close(found, expected / expected.std())


def test_an_encoder_holds_them_fixed(package):
    encoder = Recurrent(["red", "blue"], dim=4, words=WordLlama(str(package)))
    assert encoder.words.weight.shape == (3, 2)
    assert [name for name, value in encoder.named_parameters() if value.requires_grad] == [
        f"read.{kind}_l0" for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    ]


def test_what_is_absent_or_damaged_is_one_sentence(package, monkeypatch):
    (package / "weights" / "l2_supercat_256.safetensors").write_bytes(b"no")
    with pytest.raises(GanforgeError, match=r"cannot be read .*install"):
        WordLlama(str(package))(["red"])
    monkeypatch.setattr(word_vectors, "find_spec", lambda name: None)
    with pytest.raises(
        GanforgeError, match=r"text_encoder=wordllama reads vectors that wordllama ships: .*\[wordllama\]"
    ):
        WordLlama()(["red"])


@pytest.mark.skipif(find_spec("wordllama") is None, reason="the extra wordllama is not installed")
def test_words_of_one_meaning_are_near_in_the_package_s_own_vectors():
    vectors = torch.nn.functional.normalize(WordLlama()(["circle", "circles", "circular", "left"]), dim=1)
    likeness = (vectors @ vectors.T)[0]
    assert likeness[1:3].min() > 0.5 > likeness[3]

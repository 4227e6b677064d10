"""The free product of axes: every pair that is legal takes a step, every other one is refused in one sentence."""

import re
from itertools import product
from pathlib import Path

import pytest
from hydra.utils import instantiate

from axes_table import combinations, refusal_of
from ganforge.core.config import compose
from ganforge.core.messages import find_cause
from ganforge.models.preflight import preflight

#: What must be legal (None) and what must not, by hand.
NAMED = {
    ("hinge", "r1", "none", "ada"): None,
    ("wasserstein", "gradient_penalty", "none", "none"): None,
    ("hinge", "classification", "label", "none"): None,
    ("hinge", "classification", "none", "none"): "conditioning=label",
    ("hinge", "path_length", "none", "none"): "network=stylegan2",
}


#: Where to begin in the product and how far to step: each 15th combination in the quick tests, all in the slow ones.
SHARES = [(0, 15), *(pytest.param((start, 4), marks=pytest.mark.slow) for start in range(4))]


@pytest.mark.parametrize("share", SHARES, ids=str)
def test_product_is_legal_or_refused_with_a_way_out(share):
    """A share of all combinations, and those named above."""
    start, step = share
    every = list(combinations())
    assert len(every) > 1000
    refusals = {at: refusal_of(*at) for at in {*every[start::step], *NAMED}}
    legal = [at for at, refusal in refusals.items() if refusal is None]
    refused = {at: refusal for at, refusal in refusals.items() if refusal is not None}
    assert legal
    assert refused
    for at, refusal in refused.items():
        assert "term." in refusal or "conditioning=" in refusal, (at, refusal)
        assert any(word in refusal for word in ("choose", "add", "leave", "set")), (at, refusal)
        assert "\n" not in refusal
    for at, sentence in NAMED.items():
        assert refusals[at] is None if sentence is None else sentence in refusals[at], (at, refusals[at])


def test_docs_list_what_is_legal():
    page = (Path(__file__).parents[2] / "docs" / "axes.md").read_text()
    for at in product(["classification", "information"], ["none", "label"]):
        assert f"| {at[0]} | {at[1]} |" in page


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (["model=dcgan", "term=[classification]"], r"term\.classification_\w+ reads labels .*conditioning=label"),
        (
            ["model=dcgan", "term=[information]", "latent=coded"],
            r"term\.information_\w+ reads .*codes.*choose a network",
        ),
        (["model=dcgan", "conditioning=label"], r"conditioning=label is set and neither network reads labels"),
        (["model=projection", "conditioning=none"], r"label"),
        (["model=dcgan", "term=[path_length]"], r"map and synthesise"),
        (["model=cgan", "data.classes=null"], r"data\.classes is null"),
        (["model=dcgan", "network=stylegan2", "latent.dim=16", "data.image_size=20"], r"image_size"),
    ],
)
def test_refusals(overrides, sentence):
    config = compose(overrides)
    try:
        preflight(instantiate(config.model), instantiate(config.data).example())
    except Exception as error:
        message = str(find_cause(error))
    else:
        message = "nothing"
    assert re.search(sentence, message), message

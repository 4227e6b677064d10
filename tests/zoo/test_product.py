"""The free product of axes: every pair that is legal takes a step, every other one is refused in one sentence."""

import re
from itertools import product
from pathlib import Path

import pytest
from hydra.utils import instantiate

from axes_table import combinations, verdict
from ganforge.complaints import find_cause
from ganforge.config import compose
from ganforge.models.preflight import preflight


def test_whole_product_is_legal_or_refused_with_a_way_out():
    verdicts = {at: verdict(*at) for at in combinations()}
    assert len(verdicts) > 1000
    legal = [at for at, refusal in verdicts.items() if refusal is None]
    refused = {at: refusal for at, refusal in verdicts.items() if refusal is not None}
    assert legal
    assert refused
    for at, refusal in refused.items():
        assert "term." in refusal or "conditioning=" in refusal, (at, refusal)
        assert any(word in refusal for word in ("choose", "add", "leave", "set")), (at, refusal)
        assert "\n" not in refusal
    # What must be legal and what must not, by hand.
    assert verdicts["hinge", "r1", "none", "ada"] is None
    assert verdicts["wasserstein", "gradient_penalty", "none", "none"] is None
    assert "conditioning=label" in verdicts["hinge", "classification", "none", "none"]
    assert verdicts["hinge", "classification", "label", "none"] is None
    assert (
        "network" in verdicts["hinge", "path_length", "none", "none"]
        or "map" in verdicts["hinge", "path_length", "none", "none"]
    )


def test_docs_list_the_verdicts():
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
        told = str(find_cause(error))
    else:
        told = "nothing"
    assert re.search(sentence, told), told

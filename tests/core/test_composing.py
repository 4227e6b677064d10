"""What the tests' Hydra remembers (tests/composing.py) composes as Hydra does."""

import pytest
from omegaconf import OmegaConf

from composing import merge_once
from ganforge.core.config import compose


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["model=sngan", "seed=3", "~callbacks.samples"],
        ["model=stylegan2", "data=cifar10", "term=[r1,lecam]", "term.r1.weight=3"],
        ["experiment=mixture", "data=grid", "model=pacgan", "protocol=[pacgan_modes]", "+mine=1"],
    ],
    ids=" ".join,
)
def test_what_is_remembered_is_what_hydra_composes(words, tmp_path):
    merge_once()
    plain = OmegaConf.to_yaml(compose([*words, f"hydra.searchpath=['file://{tmp_path}']"]))  # remembers nothing
    changed = compose(words)
    changed.seed = 99
    assert OmegaConf.to_yaml(compose(words)) == plain

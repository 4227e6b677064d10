"""Contracts of every variant, by discovery: real steps, finite losses, each phase moves only its player."""

import copy
from pathlib import Path

import pytest
import torch
from hydra.utils import instantiate
from narrow import narrow, takes_source, takes_text

from discovery import options
from ganforge import cli
from ganforge.core.config import compose, config_folder
from ganforge.data.columns import Batch
from ganforge.models.preflight import preflight
from ganforge.testing import check_procedure

#: Variants of point sets, which need their own dataset.
POINTS = {"simultaneous"}
#: A dataset of pairs, of a package of somebody's own.
PAIRS = Path(__file__).parents[1] / "packages" / "pairs"
IMAGES = [name for name in options("model") if name not in POINTS]


def built(*overrides):
    config = compose(narrow(*overrides))
    torch.manual_seed(0)
    module, data = instantiate(config.model), instantiate(config.data)
    module.bind(data)
    batch = data.example()
    if takes_source(config):
        batch = Batch(batch.data, {**batch.given, "source": batch.data.roll(1, 0)})
    if takes_text(config):  # as bytes, where the dataset has no vocabulary
        batch = Batch(batch.data, {**batch.given, "text": torch.randint(1, 256, (len(batch.data), 5))})
    return module, batch


@pytest.mark.parametrize("name", IMAGES)
@pytest.mark.parametrize("data", ["mnist5k", pytest.param("cifar10", marks=pytest.mark.slow)])
def test_variant_takes_real_steps(name, data):
    module, batch = built(f"model={name}", f"data={data}")
    preflight(module, batch)
    check_procedure(module, batch)


def test_preflight_leaves_everything_as_it_was():
    module, batch = built("model=stylegan2", "data=mnist5k")
    before = copy.deepcopy(module.state_dict())
    state = torch.get_rng_state()
    preflight(module, batch)
    assert torch.equal(state, torch.get_rng_state())
    assert "path_length" in before["_extra_state"]["parts"]
    torch.testing.assert_close(module.state_dict(), before, rtol=0, atol=0)


@pytest.mark.parametrize("group", ["network", "loss", "term", "constraint", "augment", "ema", "latent", "optimizer"])
def test_every_option_is_described(group):
    for path in (config_folder() / group).glob("*.yaml"):
        if path.stem not in ("none", "default", "adam", "adamw", "rmsprop", "normal", "uniform", "label"):
            lines = path.read_text().splitlines()
            assert any(line.startswith("# ") and not line.startswith("# @") for line in lines[:3]), path


@pytest.mark.slow
@pytest.mark.parametrize("name", IMAGES)
def test_variant_trains_from_the_command_line(name):
    overrides = narrow(f"model={name}", "data=mnist5k")
    if takes_source(compose(overrides)):
        overrides = ["--config-dir", str(PAIRS), "trust=[pairs]", *overrides[:1], "data=pairs", *overrides[2:]]
    elif takes_text(compose(overrides)):
        overrides = [*overrides[:1], "data=scenes", *overrides[2:]]
    smoke = ["debug=smoke", "data.batch_size=12", "total_kimg=0.12", "logger=csv", "trainer=cpu"]
    assert cli.main(["train", *overrides, *smoke]) == 0
    assert list(Path("outputs").glob("*/*/samples/latest.png"))

"""Contracts of every variant, by discovery: real steps, finite losses, each phase moves only its player."""

import copy
from pathlib import Path

import pytest
import torch
from hydra.utils import instantiate
from narrow import narrow, own_data, reads_captions, translates
from PIL import Image

from discovery import options
from ganforge import cli
from ganforge.core.config import compose, config_folder
from ganforge.models.preflight import preflight
from ganforge.testing import check_procedure

#: Variants of point sets, which need their own dataset.
POINTS = {"simultaneous"}
IMAGES = [name for name in options("model") if name not in POINTS]
#: Variants that draw in the style of a picture of one's own.
STYLED = {"adain"}


#: Every variant on pictures of one channel and of three (not those that translate rows of their data, which have to be
#: there); of a translation on the data that it chooses.
CASES = [
    pytest.param(name, data, marks=pytest.mark.slow if data == "data=cifar10" else [])
    for name in IMAGES
    for data in (
        ["data.image_size=32"]
        if translates(name)
        else ["data=mnist5k", "data=cifar10"][: 2 if own_data(name) == "mnist5k" else 1]
    )
]


def built(*overrides):
    config = compose(narrow(*overrides))
    torch.manual_seed(0)
    module, data = instantiate(config.model), instantiate(config.data)
    if "data=cifar10" not in overrides:  # which is not here: an example of its shape is enough
        module.bind(data)
    return module, data.example()


@pytest.mark.parametrize(("name", "data"), CASES)
def test_variant_takes_real_steps(name, data):
    module, batch = built(f"model={name}", data)
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
    overrides = narrow(f"model={name}", "data.image_size=32" if translates(name) else "data=mnist5k")
    smoke = ["debug=smoke", "data.batch_size=12", "total_kimg=0.12", "logger=csv", "trainer=cpu"]
    assert cli.main(["train", *overrides, *smoke]) == 0
    assert list(Path("outputs").glob("*/*/samples/latest.png"))
    if translates(name) and not reads_captions(name):
        (run,) = [path.parent for path in Path("outputs").glob(f"{name}_*/*/run.json")]
        Image.new("RGB", (45, 38), "teal").save("mine.png")
        style = ["mode.style=mine.png"] if name in STYLED else []
        assert cli.main(["sample", str(run), "mode=translate", "mode.source=mine.png", "output=out", *style]) == 0
        scale = compose([f"model={name}"]).network.get("scale", 1)
        with Image.open("out/mine.png") as picture:
            assert picture.size == (45 * scale, 38 * scale)

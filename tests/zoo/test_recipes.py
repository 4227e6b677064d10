"""Every variant as it is shipped has its paper's own numbers: configurations beside tests/zoo/official.yaml."""

from pathlib import Path
from typing import Any

import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf

import recipes_page
from discovery import options
from ganforge.core.config import compose, config_folder

OFFICIAL = recipes_page.official()
ROWS = recipes_page.rows(OFFICIAL)


def test_every_variant_is_in_the_table():
    assert set(OFFICIAL["variants"]) == set(options("model"))


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_composed_values_are_the_official_ones(row):
    config = row.composed()
    wrong = {}
    for value in row.values:
        found = recipes_page.ours(config, value.key)
        if not same(found, value.expected):
            wrong[value.key] = (found, value.expected)
    assert not wrong


@pytest.mark.parametrize("row", [row for row in ROWS if row.parameters], ids=lambda row: row.name)
def test_composed_networks_have_the_official_sizes(row):
    network = row.composed().network
    with torch.device("meta"):
        built = [instantiate(network[player]) for player in ("generator", "discriminator")]
    counts = [sum(parameter.numel() for parameter in one.parameters()) for one in built]
    assert [
        None if official is None else count for count, official in zip(counts, row.parameters, strict=True)
    ] == list(row.parameters)


def test_deviations_say_why_and_what_is_ours():
    for row in ROWS:
        for value in row.values:
            assert value.why is None or len(value.why) > 10
            assert value.source in OFFICIAL["sources"]


def test_page_is_current():
    page = (Path(recipes_page.DOCS) / "official.md").read_text()
    assert page == recipes_page.page(ROWS, OFFICIAL["sources"]), "run python scripts/recipes_page.py"


def test_every_number_of_a_recipe_is_read_by_an_option():
    """A key that no option reads would change nothing."""
    texts = "".join(path.read_text() for path in config_folder().rglob("*.yaml"))
    files = [*(config_folder() / "model").glob("*.yaml"), *(config_folder() / "budget").glob("*.yaml")]
    for path in files:
        loaded: Any = OmegaConf.to_container(OmegaConf.load(path))
        recipe = loaded.get("recipe", {}) if path.parent.name == "model" else loaded
        for key in leaves({name: value for name, value in recipe.items() if name not in ("schedules", "name")}):
            whole = key.partition(".strengths")[0] + ".strengths" if ".strengths" in key else key
            wholly, by_item = (f"${{recipe:{name}," in texts for name in (whole, f"{whole}.0"))
            assert wholly or by_item, (path, key)


def leaves(node, prefix=""):
    for key, value in node.items():
        if isinstance(value, dict):
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}"


def same(found, official):
    if isinstance(official, list):
        return len(found) == len(official) and all(map(same, found, official))
    if isinstance(official, int | float) and not isinstance(official, bool):
        return found == pytest.approx(official, rel=1e-5)
    return found == official


@pytest.mark.parametrize("data", ["mnist5k", "digits", "shapes", "stacked_mnist5k"])
def test_data_without_a_download_choose_the_small_budget(data):
    config = compose([f"data={data}", "model=wgan"])
    assert config.budget.name == "small"
    assert (config.total_kimg, config.data.batch_size, config.network.width) == (150, 32, 32)
    config = compose([f"data={data}", "model=wgan", "budget=paper"])
    assert (config.budget.name, config.total_kimg, config.data.batch_size, config.network.width) == (
        "paper",
        75826,
        64,
        64,
    )


def test_a_recipe_may_say_what_is_small_for_it():
    config = compose(["model=cyclegan"])
    assert (config.budget.name, config.total_kimg, config.data.batch_size) == ("small", 12, 4)
    config = compose(["model=cyclegan", "budget=paper"])
    assert (config.budget.name, config.total_kimg, config.data.batch_size) == ("paper", 266.8, 1)


def test_other_data_keep_the_papers_and_take_the_small_budget_when_asked():
    assert compose(["data=cifar10"]).budget.name == "paper"
    config = compose(["data=cifar10", "model=sngan", "budget=small", "network.width=7"])
    assert (config.total_kimg, config.data.batch_size, config.network.width) == (150, 32, 7)


@pytest.mark.parametrize("model", options("model"))
def test_the_small_budget_is_small_for_every_variant(model):
    config = compose([f"model={model}", "data=mnist5k"])
    with torch.device("meta"):
        built = instantiate(config.network.generator)
    assert sum(parameter.numel() for parameter in built.parameters()) < 3_000_000
    assert config.model.ema.halflife_kimg == 10

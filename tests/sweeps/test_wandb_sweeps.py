"""W&B's sweeps, groups and reports, offline."""

import os
from pathlib import Path

import pytest
import yaml

from ganforge import cli
from ganforge.core.config import compose
from ganforge.core.sweep import run_of_a_sweep
from ganforge.loggers.wandb import ID_FILE, stable_id

SCRIPTS = Path(__file__).parents[2] / "scripts"


@pytest.fixture
def definition():
    return yaml.safe_load((SCRIPTS / "wandb_sweep.yaml").read_text())


def command_of(definition, choose):
    """Return the command that wandb's agent builds for one choice of each parameter."""
    from wandb.sdk.launch.sweeps.utils import create_sweep_command, create_sweep_command_args

    chosen = {
        name: {"value": entry["value"] if "value" in entry else choose(entry["values"])}
        for name, entry in definition["parameters"].items()
    }
    arguments = create_sweep_command_args({"args": chosen})
    words = []
    for chunk in create_sweep_command(list(definition["command"])):
        macro = chunk.removeprefix("${").removesuffix("}")
        words += arguments[macro] if chunk.startswith("${") else [chunk]
    return words


def test_sweep_definition_is_valid_and_composes(definition):
    assert definition["metric"] == {"name": "metrics/fid", "goal": "minimize"}
    assert definition["method"] in ("grid", "random", "bayes")
    assert all(set(entry) in ({"value"}, {"values"}) for entry in definition["parameters"].values())
    first = command_of(definition, lambda values: values[0])
    assert first[:3] == ["ganforge", "train", "data=mnist5k"]
    assert first[-1] == "resume=true"
    folders = set()
    for number in range(len(definition["parameters"]["model"]["values"])):
        words = command_of(definition, lambda values, number=number: values[number % len(values)])
        folders.add(compose(words[2:]).paths.run)
    assert len(folders) == 4


def test_the_command_of_the_definition_trains(definition, runs):
    words = command_of(definition, lambda values: values[-1])
    assert cli.main([*words[1:], "logger=csv", "trainer=cpu"]) == 0
    (config,) = runs.configs
    assert (config.name, config.seed, config.optimizer.lr) == ("r3gan_mnist5k", 3, 0.0002)


def test_groups(monkeypatch, tmp_path):
    def settings(*overrides):
        return compose(["logger=wandb", "model=wgan_gp", "seed=2", *overrides]).logger.wandb

    monkeypatch.delenv("WANDB_SWEEP_ID", raising=False)
    alone = settings()
    assert (alone.group, alone.job_type, alone.name) == ("wgan_gp_mnist5k", "wgan_gp", "wgan_gp_mnist5k-seed2")
    assert list(alone.tags) == ["wgan_gp", "mnist5k", "wasserstein"]
    with run_of_a_sweep("model_seed_1234", "", tmp_path / "stop"):
        assert settings().group == "model_seed_1234"
    monkeypatch.setenv("WANDB_SWEEP_ID", "abc")
    assert settings().group == "abc"
    assert settings("logger.wandb.group=mine").group == "mine"
    assert "GANFORGE_SWEEP" not in os.environ


def test_the_agents_identifier_counts(tmp_path, monkeypatch):
    own = stable_id(tmp_path)
    monkeypatch.setenv("WANDB_RUN_ID", "chosen")
    assert stable_id(tmp_path) == own  # a notebook's leftover is no sweep
    monkeypatch.setenv("WANDB_SWEEP_ID", "abc")
    assert stable_id(tmp_path) == "chosen"
    assert (tmp_path / ID_FILE).read_text() == "chosen"


@pytest.mark.filterwarnings("ignore:Pydantic V1 style:DeprecationWarning")  # inside wandb-workspaces
def test_report_document():
    pytest.importorskip("wandb_workspaces")
    import wandb_report

    document = wandb_report.document(wandb_report.build("model_seed_1234", "somebody", "ganforge"))
    assert document["project"] == {"name": "ganforge", "entityName": "somebody"}
    (grid,) = [block for block in document["spec"]["blocks"] if block["type"] == "panel-grid"]
    (runset,) = grid["metadata"]["runSets"]
    (group,) = runset["filters"]["filters"]
    assert (group["key"], group["op"], group["value"]) == ({"section": "run", "name": "group"}, "=", "model_seed_1234")
    assert runset["grouping"] == [{"section": "run", "name": "jobType"}]
    panels = grid["metadata"]["panelBankSectionConfig"]["panels"]
    curves = [panel["config"] for panel in panels if panel["viewType"] == "Run History Line Plot"]
    assert [curve["metrics"] for curve in curves] == [[metric] for metric in wandb_report.CURVES.values()]
    assert {curve["xAxis"] for curve in curves} == {"images_seen"}
    assert {curve["groupBy"] for curve in curves} == {"jobType"}

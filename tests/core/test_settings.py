"""What counts of a configuration: the node ``machine`` says what does not."""

import json
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from ganforge import cli
from ganforge.core.config import compose, config_folder
from ganforge.core.errors import GanforgeError
from ganforge.core.settings import counted_settings, without_settings
from quick import SMOKE


@pytest.fixture
def config():
    return OmegaConf.create(
        {
            "seed": 1,
            "paths": {"run": "here/1", "data": "data"},
            "trainer": {"devices": 2, "precision": 32},
            "data": {"root": "${paths.data}/sets", "seed": "${seed}"},
            "places": ["${paths.run}/a", "b"],
            "machine": {"paths": "${paths}", "devices": "${trainer.devices}", "workers": "${oc.select:data.workers}"},
        }
    )


def test_what_refers_to_the_machine_becomes_a_constant(config):
    assert counted_settings(config) == {
        "seed": 1,
        "trainer": {"precision": 32},
        "data": {"root": "<paths.data>/sets", "seed": 1},
        "places": ["<paths.run>/a", "b"],
    }
    assert config.data.root == "data/sets"


@pytest.mark.parametrize("reference", ["data.workers", 3, None, "${seed} and more", "${oc.env:HOME}"])
def test_an_entry_of_machine_that_is_no_reference_is_refused(config, reference):
    config.machine.mine = reference
    with pytest.raises(GanforgeError, match=r"machine\.mine must refer to a key"):
        counted_settings(config)


def test_every_reference_of_the_shipped_node_is_there():
    settings = compose()["settings"]
    whole = without_settings(compose())
    for reference in OmegaConf.to_container(OmegaConf.load(config_folder() / "train.yaml"))["machine"].values():
        key = reference.removeprefix("${").removeprefix("oc.select:").removesuffix("}")
        absent = object()
        assert OmegaConf.select(whole, key, default=absent) is not absent, key
        assert OmegaConf.select(settings, key, default=absent) is absent, key


@pytest.mark.parametrize(
    ("base", "machine_only"),
    [
        ([], ["trainer=ddp", "logger=csv", "data.workers=3", "download=true", "callbacks.progress.line_seconds=1"]),
        ([], ["paths.outputs=elsewhere", "paths.data=there", "paths.cache=c", "name=mine", "trace=true", "force=true"]),
        ([], ["resume=true", "retry=true", "requeue=true", "trainer.devices=2", "trainer.accelerator=cpu"]),
        (["data=cifar10"], ["download=true", "paths.data=there"]),
        (["data=ring", "network=mlp_points"], ["trainer=cpu", "~logger.wandb"]),
    ],
)
def test_the_machine_changes_no_signature(base, machine_only):
    first, second = compose(base), compose([*base, *machine_only])
    assert Path(first.paths.run).name == Path(second.paths.run).name
    assert first.settings == second.settings


@pytest.mark.parametrize("word", ["seed=1", "trainer.precision=bf16-mixed", "callbacks.samples.images=9", "+mine=1"])
def test_everything_else_does(word):
    assert Path(compose([word]).paths.run).name != Path(compose().paths.run).name


def test_users_add_keys_of_their_own_to_the_machine():
    mine = ["+mine={server: a}", "+machine.mine=${mine}", "+data.source.server=${mine.server}"]
    first, second = compose(mine), compose([*mine, "mine.server=b"])
    assert (first.data.source.server, second.data.source.server) == ("a", "b")
    assert Path(first.paths.run).name == Path(second.paths.run).name


def test_a_run_records_what_counts(run_folder):
    words = [*SMOKE, "protocol=[]", "seed=3"]
    assert cli.main(["train", *words]) == 0
    recorded = json.loads((run_folder() / "run.json").read_text())["settings"]
    assert recorded == OmegaConf.to_container(compose(words).settings)
    assert recorded["callbacks"]["curves"]["path"] == "<paths.run>/curves.png"
    written = OmegaConf.load(run_folder() / "config.yaml")
    assert "settings" not in written
    assert "machine" not in written
    assert written.trainer.accelerator is not None

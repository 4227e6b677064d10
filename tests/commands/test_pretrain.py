"""A run that begins from another one, which is trained first where none is given: made once, taken, gone on with."""

import json
import threading
from pathlib import Path

import pytest
import torch

from ganforge import cli
from ganforge.commands.pretrain import pretrain
from ganforge.core.config import compose
from ganforge.core.errors import GanforgeError
from ganforge.core.files import lock
from ganforge.runs.folder import load_checkpoint

SMALL = ["data=mnist5k_x4", "network.width=4", "budget.srresnet.blocks=1", "data.image_size=16"]
SMALL += ["debug=smoke", "protocol=[]", "logger=csv", "trainer=cpu", "callbacks.health=null", "callbacks.curves=null"]


def status(name):
    """Return the folder and the record of the run of this name that was begun last."""
    records = sorted(Path("outputs").glob(f"{name}_*/*/run.json"), key=lambda path: path.stat().st_mtime)
    return records[-1].parent, json.loads(records[-1].read_text())


def weights(folder):
    state = load_checkpoint(folder / "checkpoints" / "last.ckpt")["state_dict"]
    return {name: value for name, value in state.items() if name.startswith("generator.")}


@pytest.mark.slow
def test_the_first_run_is_made_as_if_it_had_been_typed_and_then_taken(capsys):
    assert cli.main(["train", "model=srgan", *SMALL, "total_kimg=0.032"]) == 0
    said = capsys.readouterr().out
    assert "begins from one of model=srresnet, which is trained first, as a run of its own" in said
    first, record = status("srresnet")
    assert record["state"] == "finished"
    assert record["images_seen"] == 128  # of debug=smoke: total_kimg is the later run's
    assert record["command"][:3] == ["ganforge", "train", "model=srresnet"]
    later, own = status("srgan")
    assert own["start"][0]["mode"] == "fork"
    assert own["start"][0]["run"] == str(first)
    assert own["start"][0]["networks"] == ["generator"]
    assert cli.main(["train", "model=srresnet", *SMALL]) == 0  # its folder is the same
    assert "This run is finished" in capsys.readouterr().out
    begun = record["started"]
    assert cli.main(["train", "model=srgan", *SMALL, "total_kimg=0.048"]) == 0  # another one of the same beginning
    assert "is trained first" not in capsys.readouterr().out
    assert status("srresnet")[1]["started"] == begun
    assert not torch.equal(*[weights(folder)["generator.last.2.weight"] for folder in (first, later)])
    assert cli.main(["train", "model=srgan", *SMALL, "total_kimg=0.032", "resume=true"]) == 0
    assert "This run is finished" in capsys.readouterr().out


def words(*more):
    return compose(["model=srgan", *SMALL, *more])


@pytest.fixture
def trained():
    """What would be trained, without training it."""
    seen = []
    return seen, lambda config: seen.append(config) or {}


def test_what_is_shared_and_what_is_the_later_runs_own(trained):
    seen, train = trained
    later = words(
        "seed=3", "optimizer.generator.lr=0.5", "total_kimg=1", "term.perceptual.weight=2", "pretrain.total_kimg=0.25",
        "name=mine", "paths.run=here", "model.log_every=7",
    )  # fmt: skip
    pretrain(later, train)
    (first,) = seen
    assert first.settings == compose(["model=srresnet", *SMALL, "seed=3", "total_kimg=0.25"]).settings
    assert first.resume == "auto"
    assert (later.start.run, later.start.networks) == (first.paths.run, ["generator"])
    assert "start" not in later.settings


def test_who_needs_the_same_run_waits_while_another_one_trains_it(trained):
    seen, train = trained
    pretrain(words(), train)
    place = Path("outputs") / ".pretrain" / Path(seen[0].paths.run).name
    assert place.is_dir()
    order, held = [], threading.Event()

    def other():
        with lock(place):
            held.set()
            threading.Event().wait(0.3)
            order.append("other")

    thread = threading.Thread(target=other)
    thread.start()
    held.wait()
    pretrain(words("total_kimg=1"), lambda config: order.append("own") or {})  # the same beginning
    thread.join()
    assert order == ["other", "own"]


def test_a_run_that_is_named_is_taken_and_other_variants_have_none():
    assert words().settings["pretrain"] == {"model": "srresnet", "total_kimg": None, "networks": ["generator"]}
    assert "pretrain" not in words("start.run=x").settings
    assert "pretrain" not in compose(["model=srresnet", *SMALL]).settings
    assert compose(["model=esrgan"]).pretrain.model == "rrdb"


def test_an_experiment_and_several_processes_are_refused(trained, monkeypatch):
    config = words()
    config.pretrain.words = [*config.pretrain.words, "experiment=mine"]
    with pytest.raises(GanforgeError, match="An experiment does not say"):
        pretrain(config, trained[1])
    monkeypatch.setenv("LOCAL_RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(GanforgeError, match="several processes: train that one first"):
        pretrain(words(), trained[1])


@pytest.mark.slow
def test_a_start_from_another_network_is_one_sentence(capsys):
    assert cli.main(["train", "model=srresnet", *SMALL, "budget.srresnet.blocks=2"]) == 0
    (folder, _) = status("srresnet")
    start = f"start={{run: {folder}, networks: [generator]}}"
    capsys.readouterr()
    assert cli.main(["train", "model=srgan", *SMALL, start]) == 1
    said = capsys.readouterr().err.strip()
    assert "networks are not those of this configuration: generator differs in 'body.1" in said
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (["data.given.source.image_size=7"], "makes 28 x 28 pixels of a source of 7 x 7 at scale 4"),
        (["network.scale=2"], "makes 8 x 8 pixels of a source of 4 x 4 at scale 2, and data.image_size is 16 x 16"),
        (["data=mnist5k"], "column 'source'"),
        (["network=rrdb", "data.image_size=18", "data.source.scale=2"], "set multiples of 4 pixels"),
        (["term=[reconstruction,perceptual_vgg]"], "VGG19's weights come in no package"),
    ],
)
def test_bad_input_is_one_sentence_before_anything_is_trained(overrides, sentence, capsys):
    assert cli.main(["train", "model=srgan", *SMALL, *overrides]) == 1
    said = capsys.readouterr().err.strip()
    assert sentence in said
    assert len(said.splitlines()) == 1
    assert not list(Path("outputs").glob("*/*/run.json"))

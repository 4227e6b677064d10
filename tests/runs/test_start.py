"""How a command relates to the runs that are there: continue, extend, fork; everything else is refused by name."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from interruptions import last, rows_of
from omegaconf import OmegaConf

from ganforge import cli
from ganforge.runs.differences import describe, differences, lengths
from quick import QUICK

SHORT = ["total_kimg=0.064", "protocol=[]", "callbacks.samples=null"]


def run_folders():
    return sorted(path.parent for path in Path("outputs").glob("*/*/run.json"))


def status(folder):
    return json.loads((folder / "run.json").read_text())


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A short run, to be copied: its place and its folder below that."""
    place = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        assert cli.main(["train", *QUICK, *SHORT, f"paths.cache={place}/cache"]) == 0
        (folder,) = run_folders()
    return place, folder


@pytest.fixture
def run(trained):
    """Return the short run's folder, in this test's own place."""
    place, folder = trained
    shutil.copytree(place / "outputs", "outputs")
    return folder


@pytest.mark.parametrize(
    ("changed", "named", "way"),
    [
        (["total_kimg=0.128"], r"total_kimg (0.064 there, 0.128 here)", "resume=extend trains it longer"),
        (["total_kimg=0.032"], r"total_kimg (0.064 there, 0.032 here)", "total_kimg=0.064 names it"),
        (["optimizer.generator.lr=0.001"], "optimizer.generator.lr (0.0002 there, 0.001 here)", "start={run: "),
        (["data.batch_size=8"], "data.batch_size (16 there, 8 here)", "start={run: "),
        (["network.width=8"], "network.width (4 there, 8 here)", "start={run: "),
        (["ema.halflife_kimg=1"], "ema.halflife_kimg (10 there, 1 here)", "start={run: "),
        (["loss=hinge"], "loss._target_", "start={run: "),
    ],
)
def test_what_looks_like_going_on_and_is_not_is_refused_by_name(changed, named, way, run, train, capsys):
    assert train(*SHORT, *changed, "resume=true") == 1
    told = capsys.readouterr().err
    assert named in told, told
    assert way in told, told
    assert str(run) in told
    assert run_folders() == [run]
    assert len(told.strip().splitlines()) == 1


def test_a_checkpoint_of_another_configuration_is_refused_before_anything_is_written(run, train, capsys):
    path = run / "checkpoints" / "last.ckpt"
    assert train(*SHORT, "optimizer.generator.lr=0.001", f"resume={path}") == 1
    told = capsys.readouterr().err
    assert "differs in optimizer.generator.lr (0.0002 there, 0.001 here)" in told
    assert f"start={{run: {path}}}" in told
    assert run_folders() == [run]
    alone = Path("elsewhere/checkpoints/last.ckpt")
    alone.parent.mkdir(parents=True)
    shutil.copy(path, alone)
    assert train(*SHORT, "optimizer.generator.lr=0.001", f"resume={alone}") == 1
    assert "Nothing beside" in capsys.readouterr().err


def test_another_seed_is_another_run(run, train):
    assert train(*SHORT, "seed=1", "resume=true") == 0
    assert len(run_folders()) == 2


def test_auto_begins_beside_what_is_near(run, train):
    assert train(*SHORT, "optimizer.generator.lr=0.001", "resume=auto") == 0
    (other,) = set(run_folders()) - {run}
    assert [entry["mode"] for entry in status(other)["start"]] == ["new"]


def test_extend_trains_the_same_run_longer(run, train, capsys):
    before = rows_of(run)
    longer = ["total_kimg=0.128", *SHORT[1:]]
    assert train(*longer, "resume=extend") == 0
    assert run_folders() == [run]
    recorded = status(run)
    assert [entry["mode"] for entry in recorded["start"]] == ["new", "extend"]
    assert recorded["start"][-1]["images_seen"] == 64
    assert (recorded["images_seen"], recorded["state"], recorded["settings"]["total_kimg"]) == (128, "finished", 0.128)
    assert OmegaConf.load(run / "config.yaml").total_kimg == 0.128
    assert rows_of(run)[: len(before)] == before
    assert last(run)["ganforge"]["images_seen"] == 128
    capsys.readouterr()
    for words in ([], ["resume=true"], ["resume=extend"]):
        assert train(*longer, *words) == 0
        assert f"This run is finished: {run}" in capsys.readouterr().out
    assert train(*SHORT, "resume=true") == 1
    assert "it was trained longer; give total_kimg=0.128" in capsys.readouterr().err
    assert train("total_kimg=0.096", *SHORT[1:], "resume=extend") == 1
    assert "raise total_kimg" in capsys.readouterr().err


def test_there_must_be_something_to_extend(run, train, capsys):
    assert train("total_kimg=0.128", *SHORT[1:], "data.batch_size=8", "resume=extend") == 1
    assert (
        "differs in total_kimg (0.064 there, 0.128 here), data.batch_size (16 there, 8 here)" in capsys.readouterr().err
    )
    assert cli.main(["train", "-m", *QUICK, *SHORT, "seed=0,1", "resume=extend"]) == 1
    assert "seed=1: There is no run that differs from this configuration in total_kimg alone" in capsys.readouterr().err
    assert run_folders() == [run]


def test_a_sweep_trains_its_runs_longer(run, train, capsys):
    assert cli.main(["train", "-m", *QUICK, *SHORT, "seed=0,1"]) == 0
    folders = run_folders()
    longer = ["train", "-m", *QUICK, "total_kimg=0.128", *SHORT[1:], "seed=0,1", "resume=extend"]
    assert cli.main(longer) == 0
    assert run_folders() == folders
    assert [status(folder)["images_seen"] for folder in folders] == [128, 128]
    assert [status(folder)["start"][-1]["mode"] for folder in folders] == ["extend", "extend"]
    capsys.readouterr()
    assert cli.main(longer) == 0
    assert capsys.readouterr().out.count("finished before") == 2


def test_a_fork_takes_everything_but_the_options_that_are_new(run, train, capsys):
    fork = [f"start={{run: {run}}}", "optimizer.generator.lr=0.001", "total_kimg=0.032", *SHORT[1:]]
    assert train(*fork) == 0
    told = capsys.readouterr().out
    assert f"Starting from '{run}', last.ckpt at 64 images: everything; the clock begins at 0." in told
    assert "optimizer.generator.lr: 0.0002 there, 0.001 here" in told
    (other,) = set(run_folders()) - {run}
    (entry,) = status(other)["start"]
    assert (entry["mode"], entry["run"], entry["images_seen"]) == ("fork", str(run), 64)
    assert entry["changed"]["optimizer.generator.lr"] == [0.0002, 0.001]
    players = last(other)["optimizer_states"]
    assert [state["param_groups"][0]["lr"] for state in players] == [0.0002, 0.001]
    assert float(players[0]["state"][0]["step"]) == 4 + 2  # its moments go on
    assert last(other)["ganforge"]["images_seen"] == 32
    assert train(*fork, "resume=true") == 0  # finished, and no other one


def test_a_fork_takes_the_networks_that_are_named(run, train):
    only = f"start={{run: {run}/checkpoints/last.ckpt, networks: [generator], clock: keep}}"
    assert train(only, "network=dcgan", "total_kimg=0.08", "optimizer=rmsprop", *SHORT[1:]) == 0
    (other,) = set(run_folders()) - {run}
    assert last(other)["ganforge"]["images_seen"] == 80
    assert status(other)["start"][0]["networks"] == ["generator"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["network.width=8"], "discriminator differs in 'layers.0.weight' (4x1x4x4 there, 8x1x4x4 here)"),
        (["optimizer=rmsprop"], "optimizer.discriminator is Adam there and RMSprop here"),
        (["start.networks=[encoder]"], "start.networks names 'encoder'"),
        (["start.clock=yesterday"], "start.clock must be one of reset, keep, got 'yesterday'"),
        (["start.clock=keep"], "total_kimg=0.064 is reached"),
        (["start.checkpoint=healthy"], "no checkpoint at"),
        (["start.run=nowhere"], "neither a run's folder nor a checkpoint's file"),
    ],
)
def test_a_fork_that_cannot_be_is_refused_in_one_sentence(words, sentence, run, train, capsys):
    assert train(*SHORT, f"start.run={run}", *words) == 1
    told = capsys.readouterr().err
    assert sentence in told, told
    assert len(told.strip().splitlines()) == 1


def test_a_moved_run_goes_on_where_it_is(run, train):
    shutil.move("outputs", "moved")
    assert train(*SHORT, "paths.outputs=moved", "total_kimg=0.128", "resume=extend") == 0
    (folder,) = [path.parent for path in Path("moved").glob("*/*/run.json")]
    assert last(folder)["ganforge"]["images_seen"] == 128
    assert not Path("outputs").exists()


VALUES = st.integers(0, 3) | st.booleans() | st.none() | st.sampled_from(["a", "b"]) | st.lists(st.integers(0, 2))
KEYS = st.sampled_from(["lr", "width", "model", "data", "total_kimg"])
SETTINGS = VALUES | st.dictionaries(KEYS, VALUES | st.dictionaries(KEYS, VALUES, max_size=3), max_size=4)
TREES = st.dictionaries(st.sampled_from(["seed", "model", "data", "total_kimg", "network"]), SETTINGS, max_size=4)


@given(TREES, TREES)
def test_differences_are_those_of_the_settings(there, here):
    found = differences(there, here)
    without_start = [json.dumps(one, sort_keys=True) for one in (there, here)]
    if without_start[0] == without_start[1]:
        assert not found
    if found:
        assert without_start[0] != without_start[1]
        assert describe(found)
        pair = found.get("total_kimg", ("", ""))
        is_length = len(found) == 1 and all(isinstance(one, int) for one in pair)
        assert lengths(found) == (pair if is_length else None)
    assert {key: pair[::-1] for key, pair in found.items()} == differences(here, there)


def test_weights_of_a_fork_are_the_other_runs(run, train, monkeypatch):
    """Before its first batch, to the bit."""
    from ganforge.models.base import AdversarialModule

    seen = {}
    step = AdversarialModule.training_step

    def watched(module, batch, batch_idx):
        if not seen:
            state = module.state_dict()
            seen.update({name: value.clone() for name, value in state.items() if isinstance(value, torch.Tensor)})
        step(module, batch, batch_idx)

    monkeypatch.setattr(AdversarialModule, "training_step", watched)
    assert train(*SHORT, f"start.run={run}") == 0
    assert seen.keys() == {name for name in last(run)["state_dict"] if name != "_extra_state"}
    for name, value in seen.items():
        assert torch.equal(value, last(run)["state_dict"][name]), name

"""A package of the user's own: trained, evaluated, sampled, compared, resumed and exported by the command line."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from safetensors import safe_open
from safetensors.torch import load_file

from ganforge import cli
from ganforge.core.trust import trust_file
from ganforge.runs.folder import load_checkpoint
from ganforge.runs.restore import restore
from quick import PATIENCE

FOLDER = Path(__file__).parents[1] / "packages" / "two_ways"
TRAIN = ["train", "--config-dir", str(FOLDER), "model=two_ways", "data=two_clouds", "logger=csv", "trainer=cpu"]
TRAIN += ["ema.halflife_kimg=0.01", "optimizer.generator.lr=0.02", "total_kimg=0.4", "name=two"]
TRAIN += ["callbacks.health.every_kimg=0.1", "callbacks.health.images=32", "callbacks.health.grace_steps=0"]
TRAIN += ["callbacks.evaluate.every_kimg=0.2", "callbacks.samples={every_kimg: 0.2, images: 32}"]
TRAIN += ["callbacks.checkpoint.every_kimg=0.2"]


def named(folder):
    lines = (folder / "metrics.csv").read_text().splitlines()[1:]
    return {line.split(",")[2] for line in lines}


def test_two_samplers_through_every_command(run_folder, capsys):
    assert cli.main([*TRAIN, "trust=[two_ways]"]) == 0
    said = capsys.readouterr().out
    assert said.count("is trusted from now on") == 1
    assert yaml.safe_load(trust_file().read_text()) == {"two_ways": str(FOLDER)}
    folder = run_folder()
    assert f"ganforge train --config-dir {FOLDER} model=two_ways" in said  # what to try next can be typed
    record, config = json.loads((folder / "run.json").read_text()), (folder / "config.yaml").read_text()
    assert "trust" not in yaml.safe_load(config)
    assert "trust" not in record["settings"]
    assert set(record["trusted"]) == {"two_ways"}
    assert record["criterion"] == "a_to_b/fid"
    assert {"metrics/a_to_b/fid", "metrics/b_to_a/fid", "generator/cycle", "discriminator/a_adversarial"} <= named(
        folder
    )
    assert {"health/a_to_b/diversity", "health/b_to_a/diversity"} <= named(folder)
    pictures = {path.name for path in (folder / "samples").iterdir()}
    assert {"latest.png", "latest_b_to_a.png", "000000400.png", "000000400_b_to_a.png"} <= pictures

    assert cli.main(["evaluate", str(folder), "bootstrap=0", "output=scores"]) == 0
    ((_, protocol),) = json.loads(Path("scores/values.json").read_text())["protocols"].items()
    assert protocol["values"].keys() == {"a_to_b/fid", "b_to_a/fid"}
    assert protocol["values"]["a_to_b/fid"] == pytest.approx(record["scores"]["a_to_b/fid"])

    assert cli.main(["compare", "outputs", "formats=[csv]"]) == 0
    rankings = Path("outputs/comparison/rankings.csv").read_text()
    assert "a_to_b/fid" in rankings
    assert "b_to_a/fid" in rankings


@pytest.fixture
def trained(run_folder, capsys):
    assert cli.main([*TRAIN, "trust=[two_ways]", "total_kimg=0.2"]) == 0
    capsys.readouterr()
    return run_folder()


def test_each_sampler_draws_what_it_translates(trained, capsys):
    assert cli.main(["sample", str(trained), "n=9"]) == 0
    assert cli.main(["sample", str(trained), "n=9", "sampler=b_to_a"]) == 0
    assert (trained / "samples" / "grid.png").read_bytes() != (trained / "samples" / "grid_b_to_a.png").read_bytes()
    draw = ["sample", str(trained), "mode=images", "mode.format=npz", "n=50"]
    assert cli.main([*draw, "output=b.npz"]) == cli.main([*draw, "sampler=b_to_a", "output=a.npz"]) == 0
    assert "50 points, with conditions" in capsys.readouterr().out
    run = restore(trained)
    for file, sampler, side in (("b.npz", "a_to_b", -1), ("a.npz", "b_to_a", 1)):
        with np.load(file) as archive:
            conditions, points = torch.from_numpy(archive["conditions"]), torch.from_numpy(archive["samples"])
        assert conditions[:, 0].sign().eq(side).all()  # of the held-out points on the other side
        network = run.module.samplers()[sampler].with_weights("ema").network
        torch.testing.assert_close(network(None, conditions), points)


def test_each_sampler_is_exported_with_its_network(trained):
    assert cli.main(["sample", str(trained), "mode=export", "sampler=b_to_a", "output=back.safetensors"]) == 0
    described = json.loads(Path("back.json").read_text())
    assert described["generator"] == {"_target_": "two_ways.procedure.Translator"}
    weights = restore(trained).module.b_to_a_ema.state_dict()
    assert all(torch.equal(value, weights[name]) for name, value in load_file("back.safetensors").items())
    with safe_open("back.safetensors", "pt") as file:
        assert json.loads(file.metadata()["ganforge"]) == described
    assert cli.main(["sample", str(trained), "mode=export", "mode.format=torch_export", "output=there.pt2"]) == 0
    program = torch.export.load("there.pt2").module()
    points = torch.randn(7, 2)
    torch.testing.assert_close(program(points), restore(trained).module.a_to_b_ema(None, points))


def test_resumed_to_the_bit(run_folder, monkeypatch):
    assert cli.main([*TRAIN, "trust=[two_ways]"]) == 0
    folder = run_folder()
    whole = load_checkpoint(folder / "checkpoints" / "last.ckpt")
    previous = str(folder / "checkpoints" / "previous.ckpt")
    assert load_checkpoint(folder / "checkpoints" / "previous.ckpt")["ganforge"]["images_seen"] == 200
    assert cli.main([*TRAIN, f"resume={previous}"]) == 0  # trust is remembered
    again = load_checkpoint(folder / "checkpoints" / "last.ckpt")
    assert again["ganforge"]["images_seen"] == whole["ganforge"]["images_seen"] == 400
    for name, value in whole["state_dict"].items():
        if isinstance(value, torch.Tensor):
            assert torch.equal(value, again["state_dict"][name]), name


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["mode=traverse"], "draws from conditions alone, without a latent to move in"),
        (["truncation=0.5"], "truncation confines latents, and this generator has none: leave truncation out"),
        (["mode=interpolate"], "mode=interpolate is for images"),
        (["mode=classes"], "mode=classes is for images"),
        (["sampler=c_to_d"], "draws with a_to_b, b_to_a"),
    ],
)
def test_what_such_a_run_cannot_do_is_one_sentence(words, said, trained, capsys):
    assert cli.main(["sample", str(trained), *words]) == 1
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_a_missing_column_is_refused_before_training(capsys):
    words = [word for word in TRAIN if not word.startswith("data=")]
    assert cli.main([*words, "trust=[two_ways]", "data=ring"]) == 1
    error = capsys.readouterr().err
    assert "needs the dataset's column 'source', and it has none" in error
    assert error.count("\n") == 1


def test_an_untrusted_package_says_what_to_type(run_folder, capsys):
    assert cli.main(TRAIN) == 1
    error = capsys.readouterr().err
    assert (
        "'two_ways.procedure.TwoWays' of a package that is not trusted: if 'two_ways' is yours, add trust=[two_ways]"
        in error
    )
    assert error.count("\n") == 1
    assert not trust_file().exists()


def test_the_environment_names_packages_for_machines_without_a_home(run_folder, monkeypatch, capsys):
    monkeypatch.setenv("GANFORGE_TRUST", "two_ways")
    assert cli.main([*TRAIN, "total_kimg=0.04"]) == 0
    assert not trust_file().exists()
    assert os.environ["GANFORGE_TRUST"] == "two_ways"


def test_a_home_that_cannot_be_written_to_is_a_note(monkeypatch, capsys):
    Path("file").touch()
    monkeypatch.setenv("XDG_CONFIG_HOME", "file")
    assert cli.main([*TRAIN, "trust=[two_ways]", "total_kimg=0.04"]) == 0
    assert "Note: 'file/ganforge/trust.yaml' cannot be written" in capsys.readouterr().out


def test_tuned_and_the_best_one_trained_by_the_line_that_is_said(capsys):
    pytest.importorskip("optuna")
    study = [*TRAIN[1:], "trust=[two_ways]", "total_kimg=0.08", "callbacks.evaluate.every_kimg=0.04"]
    study += ["tune.n_trials=1", "tune.objective=[metrics/b_to_a/fid]", "~tune.space.n_critic", "~tune.space.beta1"]
    assert cli.main(["tune", *study, "callbacks.health=null", "callbacks.samples=null"]) == 0
    said = capsys.readouterr().out
    (line,) = re.findall(r"To train the best one: ganforge (.*)", said)
    trial = json.loads(Path("outputs/tune/two/trial_0000/run.json").read_text())
    assert f"metrics/b_to_a/fid {trial['scores']['b_to_a/fid']:.5g}" in said
    assert cli.main([*shlex.split(line), "seed=0", "name=best", "logger=csv", "trainer=cpu"]) == 0
    (best,) = Path("outputs/best").glob("*/run.json")
    assert json.loads(best.read_text())["scores"] == trial["scores"]


@pytest.mark.slow
def test_children_and_workers_import_the_package(run_folder, tmp_path):
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-P", "-m", "ganforge.cli", *TRAIN, "total_kimg=0.08"]
    subprocess.run([*command, "trust=[two_ways]", "trainer.devices=2"], check=True, env=environment, timeout=PATIENCE)
    assert json.loads((run_folder() / "run.json").read_text())["state"] == "finished"
    sweep = [*command[:5], "-m", *command[5:], "name=swept", "seed=1,2", "hydra/launcher=joblib"]
    subprocess.run(sweep, check=True, env=environment, timeout=PATIENCE)
    states = [json.loads(path.read_text())["state"] for path in Path("outputs/swept").glob("*/run.json")]
    assert states == ["finished"] * 2

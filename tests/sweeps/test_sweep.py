"""What a sweep does with its runs: skip, resume, retry, stop, and tell."""

import json
import os
import re
import signal
from pathlib import Path

import pytest

from ganforge.core.console import log_to
from ganforge.core.errors import GanforgeError, Stopped
from ganforge.core.extras import install
from ganforge.core.sweep import inside_a_sweep


def states():
    (path,) = Path("outputs/sweeps").glob("*/sweep.json")
    return {row["label"]: row["state"] for row in json.loads(path.read_text())["runs"]}


def line_of(text, label):
    return next(line for line in text.splitlines() if line.startswith(label))


def test_every_combination_and_a_table(runs, sweep, capsys):
    assert sweep("model=dcgan,lsgan", "seed=1,2") == 0
    assert [(config.name, config.seed) for config in runs.configs] == [
        ("dcgan_mnist5k", 1),
        ("dcgan_mnist5k", 2),
        ("lsgan_mnist5k", 1),
        ("lsgan_mnist5k", 2),
    ]
    out = capsys.readouterr().out
    line = line_of(out, "model=lsgan seed=2")
    assert re.search(r"finished +1 +12 +8 \+- 0\.12 +digits@1234", line), line
    assert "inception_score_std" not in out
    assert not inside_a_sweep()

    commands = [json.loads(path.read_text())["command"] for path in Path("outputs").glob("dcgan_mnist5k/*/run.json")]
    assert sorted(command[-2] for command in commands) == ["seed=1", "seed=2"]
    assert all(command[1] == "train" and "-m" not in command for command in commands)
    # The same line, and one value more: what is finished is skipped.
    assert sweep("model=dcgan,lsgan", "seed=1,2,3") == 0
    assert runs.seeds == [1, 2, 1, 2, 3, 3]
    assert sweep("seed=1,2", "force=true") == 0
    assert runs.seeds[6:] == [1, 2]


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("optimizer.generator.lr=0.001,-1", "optimizer.generator.lr must be a number >= 0, got -1."),
        ("model.n_critic=1,1.5", "model.n_critic must be a whole number >= 1, got 1.5."),
        ("+network.generator.widht=3,4", "network.generator has no 'widht' (Generator); did you mean width?"),
        ("data.horizontal_flip=0,2", "data.horizontal_flip must be a number >= 0 and at most 1, got 2."),
    ],
)
def test_every_point_is_checked_before_the_first_run(word, sentence, runs, sweep, capsys):
    assert sweep(word, "seed=1,2") == 1
    assert sentence in capsys.readouterr().err
    assert not runs.configs
    assert not Path("outputs").exists()


def test_a_failure_stops_no_other_and_is_repeated_on_request_only(runs, sweep, capsys):
    runs.plans[1] = GanforgeError("The data is not there: fetch it.")
    runs.plans[2] = ValueError("shapes differ\nmore")
    assert sweep("seed=1,2,3") == 1
    captured = capsys.readouterr()
    assert runs.seeds == [1, 2, 3]
    assert "    shapes differ. See" in captured.out
    assert re.search(r"seed=1 +failed", captured.out)
    assert "    The data is not there: fetch it." in captured.out
    assert "2 of 3 runs failed" in captured.err
    assert "retry=true" in captured.err
    assert "Traceback" not in captured.err
    runs.plans.clear()
    assert sweep("seed=1,2,3") == 1
    assert runs.seeds == [1, 2, 3]
    assert "The data is not there: fetch it." in capsys.readouterr().out
    assert sweep("seed=1,2,3", "retry=true") == 0
    assert runs.seeds == [1, 2, 3, 1, 2]
    assert states() == {"seed=1": "finished", "seed=2": "finished", "seed=3": "skipped"}


def killed(folder):
    """Make a run look as SIGKILL leaves it."""
    status = folder / "run.json"
    content = {**json.loads(status.read_text()), "state": "running", "pid": 2**22 + 1, "process_start": "1"}
    status.write_text(json.dumps(content))
    (folder / "checkpoints").mkdir(exist_ok=True)
    (folder / "checkpoints" / "last.ckpt").write_bytes(b"")


def test_what_was_killed_goes_on_and_what_another_process_trains_is_left_alone(runs, sweep, capsys):
    assert sweep("seed=1,2") == 0
    folders = {
        json.loads(path.read_text())["command"][-2]: path.parent for path in Path("outputs").glob("*/*/run.json")
    }
    killed(folders["seed=2"])
    status = folders["seed=1"] / "run.json"
    status.write_text(json.dumps({**json.loads(status.read_text()), "state": "running", "pid": 1, "process_start": ""}))
    assert sweep("seed=1,2") == 0
    assert runs.seeds == [1, 2, 2]
    assert runs.configs[-1].resume is True
    assert "Process 1 trains it" in capsys.readouterr().out
    killed(folders["seed=2"])
    assert sweep("seed=2", "resume=false") == 1  # as the user says: a single run would refuse, too
    assert "add resume=true" in capsys.readouterr().out
    assert runs.seeds == [1, 2, 2]


def test_stopping_starts_no_more_and_the_same_line_goes_on(runs, sweep, capsys):
    runs.plans[2] = Stopped("Stopped and saved at 500 of 1,000 images.", 130)
    assert sweep("seed=1,2,3") == 130
    assert runs.seeds == [1, 2]
    assert states() == {"seed=1": "finished", "seed=2": "stopped", "seed=3": "waiting"}
    assert "The same line again goes on" in capsys.readouterr().err
    runs.plans.clear()
    assert sweep("seed=1,2,3") == 0
    assert runs.seeds == [1, 2, 2, 3]


def test_ctrl_c_between_runs(runs, sweep, monkeypatch):
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    call = type(runs).__call__

    def and_ctrl_c(self, config, folder, parts):
        call(self, config, folder, parts)
        os.kill(os.getpid(), signal.SIGINT)  # a run that trains has its own handler

    monkeypatch.setattr(type(runs), "__call__", and_ctrl_c)
    assert sweep("seed=1,2") == 130
    assert states() == {"seed=1": "finished", "seed=2": "waiting"}
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_a_wrong_name_is_refused_before_anything_is_trained(runs, sweep, capsys):
    assert sweep("model=dcgan,dcgn") == 1
    assert "no 'dcgn' in the group 'model'" in capsys.readouterr().err
    assert sweep("seed=1,two") == 1
    assert "seed must be a whole number >= 0" in capsys.readouterr().err
    assert sweep("seed=interval(1,2)") == 1
    assert "give values, such as seed=1,2,3" in capsys.readouterr().err
    assert not runs.configs


@pytest.mark.parametrize("size", ["0", "-1", "1.5", "two"])
def test_a_batch_of_no_size_is_refused(size, runs, sweep, capsys):
    assert sweep("seed=1,2", f"hydra.sweeper.max_batch_size={size}") == 1
    assert f"max_batch_size must be a whole number >= 1, got {size}: null" in capsys.readouterr().err
    assert not runs.configs


def test_combinations_that_are_the_same_run(runs, sweep, capsys):
    assert sweep("trainer.devices=1,auto") == 0
    assert len(runs.configs) == 1
    assert "the same run as trainer.devices=1" in capsys.readouterr().out


def test_keys_that_are_added_and_removed(runs, sweep):
    assert sweep("+schedules.x={a:1,b:2}", "~optimizer.generator.betas", "total_kimg=1,2") == 0
    assert [config.total_kimg for config in runs.configs] == [1, 2]
    assert "betas" not in runs.configs[0].optimizer


def test_a_launcher_that_is_not_installed(runs, sweep, capsys, monkeypatch):
    monkeypatch.setattr("ganforge.sweeps.share.find_spec", lambda name: None)
    assert sweep("seed=1,2", "hydra/launcher=joblib") == 1
    assert capsys.readouterr().err.strip() == f"ganforge: This launcher is not installed: {install('joblib')}."
    assert not runs.configs


def test_slurm_that_is_not_there_is_one_sentence(runs, sweep, capsys, monkeypatch):
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher")
    monkeypatch.setenv("PATH", "/nonexistent")
    assert sweep("seed=1,2", "hydra/launcher=submitit_slurm") == 1
    err = capsys.readouterr().err.strip()
    assert "SlurmLauncher could not launch the runs" in err
    assert "Traceback" not in err


class Dying:
    """A launcher whose worker is killed in the first run, so many times."""

    def __init__(self, deaths):
        self.deaths, self.launched = deaths, []

    def launch(self, overrides, initial_job_idx):
        from types import SimpleNamespace

        self.launched.append([words[0] for words in overrides])
        folder = Path("outputs") / overrides[0][0]
        folder.mkdir(parents=True, exist_ok=True)
        if len(self.launched) <= self.deaths:
            (folder / "run.json").write_text(json.dumps({"state": "running", "pid": 2**22 + 1, "host": "x"}))
            raise RuntimeError("a worker was terminated")
        return [SimpleNamespace(return_value={"state": "finished", "error": ""}) for _ in overrides]


def swept(names, overrides=(), relaunch=True):
    """Return a sweep of runs whose folders are as they are now, and its jobs."""
    from omegaconf import OmegaConf

    from ganforge.runs.folder import RunFolder
    from ganforge.sweeps.plan import Job
    from ganforge.sweeps.run import Sweep
    from ganforge.sweeps.share import Workers

    config = OmegaConf.create({"paths": {"outputs": "outputs"}, "hydra": {"launcher": {"_target_": "a.Launcher"}}})
    folders = {name: Path("outputs") / name for name in names}
    jobs = [Job(name, (name, *overrides), at, "todo", "", RunFolder(at).status()) for name, at in folders.items()]
    return Sweep(None, None, config, jobs, None, Workers(relaunch=relaunch)), jobs


def left_behind(name, **status):
    """Leave a run.json of an earlier sweep."""
    folder = Path("outputs") / name
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps({"pid": 7, "started": "2001-01-01T00:00:00+0000", **status}))


def test_what_an_earlier_sweep_left_is_neither_done_nor_dead():
    from ganforge.sweeps.table import rows_of

    for name in ("one", "two", "three"):
        left_behind(name, state="finished", scores={"fid": 1.0})
    sweep, jobs = swept(["one", "two", "three"], ["force=true"])
    launcher = Dying(2)
    sweep.launch(launcher, jobs)
    assert launcher.launched == [["one", "two", "three"]] * 2
    rows = rows_of(jobs, sweep.outcomes)
    assert [(row.state, row.scores) for row in rows] == [("failed", {}), ("waiting", {}), ("waiting", {})]


def test_a_run_that_began_anew_goes_on_when_its_worker_dies():
    sweep, jobs = swept(["one", "two"], ["force=true"])
    asked = []
    launcher = Dying(1)
    launch = launcher.launch
    launcher.launch = lambda overrides, initial_job_idx: asked.append(overrides) or launch(overrides, initial_job_idx)
    sweep.launch(launcher, jobs)
    assert asked == [[["one", "force=true"], ["two", "force=true"]], [["one"], ["two", "force=true"]]]


def test_a_launchers_own_error_is_reported_although_an_earlier_run_was_killed(capsys):
    class Refusing:
        def launch(self, overrides, initial_job_idx):
            raise RuntimeError("sbatch: error: invalid partition\nmore")

    left_behind("one", state="running")
    sweep, jobs = swept(["one"], relaunch=False)
    with pytest.raises(GanforgeError, match=r"could not launch the runs \(sbatch: error: invalid partition\)"):
        sweep.launch(Refusing(), jobs)
    sweep, jobs = swept(["two"])
    with log_to(None):
        sweep.launch(Dying(2), jobs)
    assert "A worker process died (a worker was terminated; out of memory?)" in capsys.readouterr().out


@pytest.mark.parametrize(("deaths", "states"), [(1, ["finished", "finished"]), (2, ["failed", "waiting"])])
def test_a_worker_that_dies_takes_nothing_with_it_for_good(deaths, states, monkeypatch):
    from ganforge.sweeps.table import rows_of

    sweep, jobs = swept(["one", "two"])
    launcher = Dying(deaths)
    sweep.launch(launcher, jobs)
    assert launcher.launched == [["one", "two"], ["one", "two"]]
    rows = rows_of(jobs, sweep.outcomes)
    assert [row.state for row in rows] == states
    if deaths == 2:
        assert "killed (out of memory?)" in rows[0].note

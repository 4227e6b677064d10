"""What a sweep does with its runs: skip, resume, retry, stop, and tell."""

import json
import os
import re
import signal
from pathlib import Path

import pytest

from ganforge.errors import GanforgeError, Stopped
from ganforge.sweeps.environment import inside_a_sweep


def states():
    (path,) = Path("outputs/sweeps").glob("*/sweep.json")
    return {row["label"]: row["state"] for row in json.loads(path.read_text())["runs"]}


def told(text, label):
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
    line = told(out, "model=lsgan seed=2")
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

    def and_ctrl_c(self, config, folder):
        call(self, config, folder)
        os.kill(os.getpid(), signal.SIGINT)  # a run that trains has its own handler

    monkeypatch.setattr(type(runs), "__call__", and_ctrl_c)
    assert sweep("seed=1,2") == 130
    assert states() == {"seed=1": "finished", "seed=2": "waiting"}
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_a_wrong_name_is_refused_before_anything_is_trained(runs, sweep, capsys):
    assert sweep("model=dcgan,dcgn") == 1
    assert "no 'dcgn' in the group 'model'" in capsys.readouterr().err
    assert sweep("seed=1,two") == 1
    assert "seed must be a number" in capsys.readouterr().err
    assert sweep("seed=interval(1,2)") == 1
    assert "give values, such as seed=1,2,3" in capsys.readouterr().err
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
    assert capsys.readouterr().err.strip() == (
        "ganforge: This launcher is not installed: pip install 'ganforge[joblib]'."
    )
    assert not runs.configs


def test_slurm_that_is_not_there_is_one_sentence(runs, sweep, capsys, monkeypatch):
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher")
    monkeypatch.setenv("PATH", "/nonexistent")
    assert sweep("seed=1,2", "hydra/launcher=submitit_slurm") == 1
    err = capsys.readouterr().err.strip()
    assert "SlurmLauncher could not launch the runs" in err
    assert "Traceback" not in err


class Dying:
    """A launcher whose worker is killed in the first run, once."""

    def __init__(self, task):
        self.task, self.launched = task, []

    def launch(self, overrides, initial_job_idx):
        from types import SimpleNamespace

        self.launched.append([words[0] for words in overrides])
        folder = Path("outputs") / overrides[0][0]
        folder.mkdir(parents=True, exist_ok=True)
        if len(self.launched) <= self.task:
            (folder / "run.json").write_text(json.dumps({"state": "running", "pid": 2**22 + 1, "host": "x"}))
            raise RuntimeError("a worker was terminated")
        return [SimpleNamespace(return_value={"state": "finished", "error": ""}) for _ in overrides]


@pytest.mark.parametrize(("deaths", "states"), [(1, ["finished", "finished"]), (2, ["failed", "waiting"])])
def test_a_worker_that_dies_takes_nothing_with_it_for_good(deaths, states, monkeypatch):
    from omegaconf import OmegaConf

    from ganforge.sweeps.plan import Job
    from ganforge.sweeps.run import Sweep
    from ganforge.sweeps.table import rows_of

    config = OmegaConf.create({"paths": {"outputs": "outputs"}, "hydra": {"launcher": {"_target_": "a.joblib.B"}}})
    jobs = [Job(name, (name,), Path("outputs") / name, "todo") for name in ("one", "two")]
    sweep = Sweep(None, None, config, jobs, None)
    launcher = Dying(deaths)
    sweep._launch(launcher, jobs)
    assert launcher.launched == [["one", "two"], ["one", "two"]]
    rows = rows_of(jobs, sweep.outcomes)
    assert [row.state for row in rows] == states
    if deaths == 2:
        assert "killed (out of memory?)" in rows[0].note

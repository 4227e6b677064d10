"""Several workers on one study, as real processes, one of them killed."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ganforge.tuning.storage import open_storage
from quick import PATIENCE

optuna = pytest.importorskip("optuna")

pytestmark = pytest.mark.slow

STUDY = Path("outputs/tune/study")
COMMAND = [
    *(sys.executable, "-m", "ganforge.cli", "tune", "name=study", "debug=smoke", "data=digits", "logger=csv"),
    *("trainer=cpu", "network.width=4", "protocol=[smoke]", "total_kimg=3.2", "callbacks.evaluate.every_kimg=0.8"),
    *("callbacks.checkpoint.every_kimg=0.16", "tune.n_trials=5"),
]


def start(*options):
    return subprocess.Popen(
        [*COMMAND, *options], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=dict(os.environ)
    )


def wait_for(pattern, process, seconds=PATIENCE):
    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        if list(STUDY.glob(pattern)):
            return
        assert process.poll() is None, process.stdout.read()
        time.sleep(0.05)
    raise AssertionError(f"no {pattern} after {seconds} s")


def states():
    study = optuna.load_study(study_name="study", storage=open_storage(str(STUDY / "study.log")))
    return [trial.state.name for trial in study.trials]


def test_a_killed_workers_trial_is_finished_by_the_same_command():
    first = start()
    wait_for("trial_0000/checkpoints/previous.ckpt", first)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    assert states() == ["RUNNING"]
    second = start("tune.workers=2")
    out, _ = second.communicate(timeout=PATIENCE)
    assert second.returncode == 0, out
    assert re.search(r"Trial 0: going on at [\d,]+ images", out)
    assert len(states()) == 5
    assert set(states()) <= {"COMPLETE", "PRUNED"}
    assert "Traceback" not in out


def test_ctrl_c_saves_in_every_worker_and_says_how_to_go_on():
    process = start("tune.workers=2", "total_kimg=320")
    wait_for("trial_0001/checkpoints/last.ckpt", process)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130, out
    assert "Stopped after 0 of 5 trials. To go on, repeat the command." in out
    assert "Traceback" not in out
    study = optuna.load_study(study_name="study", storage=open_storage(str(STUDY / "study.log")))
    assert [trial.user_attrs["owner"] for trial in study.trials] == [{}, {}]

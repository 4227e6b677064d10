"""Jobs that must make way, with a scontrol of our own on the PATH."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from ganforge import cli
from ganforge.core.errors import Stopped
from ganforge.core.slurm import is_running, queued_again
from ganforge.core.sweep import ask_to_stop, asked_to_stop
from ganforge.runs.folder import RunFolder
from quick import PATIENCE


@pytest.fixture
def scontrol(tmp_path, monkeypatch):
    """Put a scontrol first on the PATH; return a function that sets what it says of jobs, and one for its calls."""
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "scontrol"
    program.write_text(f'#!/bin/sh\necho "$@" >> {folder}/calls\n[ "$1" = show ] && cat {folder}/answer\nexit 0\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setenv("SLURM_JOB_ID", "77")
    for name in ("SUBMITIT_EXECUTOR", "SLURM_STEP_NUM_TASKS"):
        monkeypatch.delenv(name, raising=False)

    def says(state):
        (folder / "answer").write_text(f"JobId=77 JobName=x\n   JobState={state} Reason=None\n")

    says("RUNNING")
    return says, lambda: (folder / "calls").read_text().split("\n") if (folder / "calls").exists() else []


def stop(number, wanted=True):
    with pytest.raises(Stopped), queued_again(wanted):
        raise Stopped("saved", 128 + number)


@pytest.mark.parametrize(
    ("number", "state", "wanted", "requeued"),
    [
        (signal.SIGUSR1, "RUNNING", True, True),
        (signal.SIGUSR2, "RUNNING", True, True),
        (signal.SIGUSR1, "RUNNING", False, False),
        (signal.SIGTERM, "RUNNING", True, True),
        (signal.SIGTERM, "PREEMPTED", True, True),
        (signal.SIGTERM, "CANCELLED", True, False),
        (signal.SIGTERM, "TIMEOUT", True, False),
        (signal.SIGINT, "RUNNING", True, False),
    ],
)
def test_when_a_job_is_queued_again(number, state, wanted, requeued, scontrol):
    says, calls = scontrol
    says(state)
    stop(number, wanted)
    assert ("requeue 77" in calls()) is requeued


def test_nothing_is_queued_without_slurm(scontrol, monkeypatch):
    monkeypatch.delenv("SLURM_JOB_ID")
    stop(signal.SIGUSR1)
    stop(signal.SIGTERM)
    assert scontrol[1]() == []


def test_under_submitit_its_own_handler_takes_over(scontrol, monkeypatch):
    monkeypatch.setenv("SUBMITIT_EXECUTOR", "slurm")
    received = []
    previous = signal.signal(signal.SIGUSR2, lambda number, frame: received.append(number))
    try:
        stop(signal.SIGUSR2, wanted=False)
        stop(signal.SIGTERM, wanted=False)
        stop(signal.SIGINT, wanted=False)
    finally:
        signal.signal(signal.SIGUSR2, previous)
    assert received == [signal.SIGUSR2, signal.SIGUSR2]
    assert "requeue 77" not in scontrol[1]()


def test_a_job_on_another_machine_holds_its_run(scontrol, tmp_path, monkeypatch):
    folder = RunFolder(tmp_path / "run")
    folder.update(state="running", host="elsewhere", pid=1, slurm_job="88")
    assert folder.is_being_written() == "SLURM job 88"
    scontrol[0]("COMPLETED")
    assert folder.is_being_written() is None
    scontrol[0]("RUNNING")
    folder.update(slurm_job="77")  # this job's own earlier life
    assert folder.is_being_written() is None
    monkeypatch.setenv("PATH", "/nonexistent")
    assert not is_running("88")


def test_a_sweep_queues_its_job_once_and_leaves_no_run_to_do_it(scontrol, runs, sweep, monkeypatch):
    seen = []

    @contextmanager
    def watched(wanted):
        seen.append(wanted)
        yield

    monkeypatch.setattr("ganforge.commands.train.queued_again", watched)
    runs.plans[2] = Stopped("saved", 128 + signal.SIGUSR1)
    assert sweep("seed=1,2,3", "requeue=true") == 128 + signal.SIGUSR1
    assert (runs.seeds, seen) == ([1, 2], [False, False])
    assert scontrol[1]().count("requeue 77") == 1


def test_a_warning_between_runs_stops_the_sweep(scontrol, runs, sweep, monkeypatch):
    call = type(runs).__call__

    def and_warning(self, config, folder, parts):
        call(self, config, folder, parts)
        os.kill(os.getpid(), signal.SIGUSR2)

    monkeypatch.setattr(type(runs), "__call__", and_warning)
    assert sweep("seed=1,2", "requeue=true") == 128 + signal.SIGUSR2
    assert runs.seeds == [1]
    assert scontrol[1]().count("requeue 77") == 1


def test_the_first_signal_says_why_a_sweep_was_stopped(tmp_path):
    assert asked_to_stop(tmp_path / "stop") is None
    ask_to_stop(tmp_path / "stop", signal.SIGTERM)
    ask_to_stop(tmp_path / "stop", signal.SIGINT)  # what a run makes of the stop file, when it has saved
    assert asked_to_stop(tmp_path / "stop") == signal.SIGTERM


def test_a_study_queues_its_job_once_and_leaves_no_trial_to_do_it(scontrol, monkeypatch):
    pytest.importorskip("optuna")
    seen = []

    def stop(config):
        seen.append(config.requeue)
        raise Stopped("saved", 128 + signal.SIGUSR1)

    monkeypatch.setattr("ganforge.commands.tune.train", stop)
    words = ["tune", "name=study", "data=digits", "protocol=[digits]", "requeue=true"]
    assert cli.main(words) == 128 + signal.SIGUSR1
    assert seen == [False]
    assert scontrol[1]().count("requeue 77") == 1


@pytest.mark.slow
@pytest.mark.parametrize("devices", [1, 2])
def test_a_warned_job_saves_queues_itself_and_goes_on(devices, scontrol):
    options = ["debug=smoke", "logger=csv", "network.width=4", "trainer=cpu", f"trainer.devices={devices}"]
    options += [
        "callbacks.checkpoint.every_kimg=0.16",
        "callbacks.evaluate.every_kimg=1.6",
        "requeue=true",
        "resume=true",
    ]
    command = [sys.executable, "-m", "ganforge.cli", "train", *options, "total_kimg=16"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    limit = time.monotonic() + PATIENCE
    while not list(Path("outputs").glob("*/*/checkpoints/last.ckpt")):
        assert process.poll() is None, process.stdout.read()
        assert time.monotonic() < limit
        time.sleep(0.05)
    process.send_signal(signal.SIGUSR1)
    out, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 128 + signal.SIGUSR1, out
    assert "Queueing SLURM job 77 again." in out
    assert "requeue 77" in scontrol[1]()
    (status,) = Path("outputs").glob("*/*/run.json")
    content = json.loads(status.read_text())
    assert content["state"] == "stopped"
    seen = content["images_seen"]
    assert 0 < seen < 16000
    again = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    for line in again.stdout:
        if "Going on from" in line:
            assert f"at {seen:,} images" in line
            break
    else:
        raise AssertionError("it did not go on")
    again.send_signal(signal.SIGTERM)
    again.communicate(timeout=PATIENCE)

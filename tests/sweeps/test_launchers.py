"""The same sweep by every launcher gives the same bits; killed in the middle it goes on; Ctrl-C saves."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from torch import Tensor

from ganforge import cli
from ganforge.runs.folder import load_checkpoint
from quick import PATIENCE

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

OPTIONS = ["debug=smoke", "logger=csv", "network.width=4", "trainer=cpu", "model=dcgan,lsgan", "total_kimg=0.32"]
PLUGINS = {"joblib": "hydra_joblib_launcher", "submitit_local": "hydra_submitit_launcher", "ray": "hydra_ray_launcher"}


def start(folder, *options):
    command = [sys.executable, "-m", "ganforge.cli", "train", "-m", *OPTIONS, f"paths.outputs={folder}", *options]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "120"}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)


def sweep(folder, *options):
    process = start(folder, *options)
    out, _ = process.communicate(timeout=PATIENCE)
    return process.returncode, out


def results(folder):
    """Return each run's values, but not speeds and times, and its weights."""
    found = {}
    for path in sorted(Path(folder).glob("*/*/metrics.csv")):
        with path.open(newline="") as handle:
            rows = [row for row in csv.DictReader(handle) if not row["name"].startswith("speed/")]
        values = [(row["images_seen"], row["name"], row["value"], row["protocol"]) for row in rows]
        weights = load_checkpoint(path.parent / "checkpoints" / "last.ckpt")["state_dict"]
        tensors = {name: value.tolist() for name, value in weights.items() if isinstance(value, Tensor)}
        found[str(path.parent.relative_to(folder))] = values, tensors
    return found


def states(folder):
    (path,) = Path(folder).glob("sweeps/*/sweep.json")
    return sorted(row["state"] for row in json.loads(path.read_text())["runs"])


def wait_for(folder, pattern, process, count=1):
    limit = time.monotonic() + PATIENCE
    while len(list(Path(folder).glob(pattern))) < count:
        assert process.poll() is None, process.stdout.read()
        assert time.monotonic() < limit
        time.sleep(0.02)


@pytest.fixture(scope="module")
def basic(tmp_path_factory):
    """Train the sweep once with the basic launcher; the yardstick of the others."""
    folder = tmp_path_factory.mktemp("basic")
    code, out = sweep(folder, "seed=1")
    assert code == 0, out
    return results(folder)


@pytest.mark.parametrize("launcher", list(PLUGINS))
def test_every_launcher_gives_the_same_bits(launcher, basic, tmp_path):
    pytest.importorskip(f"hydra_plugins.{PLUGINS[launcher]}")
    workers = ["hydra.launcher.n_jobs=2"] if launcher == "joblib" else []
    folder = tmp_path / "runs"
    code, out = sweep(folder, "seed=1", f"hydra/launcher={launcher}", *workers)
    assert code == 0, out
    assert states(folder) == ["finished", "finished"], out
    assert "Warning" not in out.replace("WARNING authentication_token", "")
    assert results(folder) == basic
    if launcher == "joblib":
        assert "[model=lsgan] Done:" in out


def test_a_run_in_a_sweep_is_the_run_alone(basic, tmp_path):
    """Nothing leaks from one run into the next one of the same process: the second, trained alone, is the same."""
    alone = ["train", *OPTIONS, "seed=1", "model=lsgan", f"paths.outputs={tmp_path / 'alone'}"]
    alone.remove("model=dcgan,lsgan")
    assert cli.main(alone) == 0
    ((name, result),) = results(tmp_path / "alone").items()
    assert result == basic[name]


def test_a_sweep_leaves_its_process_as_it_was():
    """Handlers of logs and signals, threads and memory, also after a run that fails in the middle."""
    import gc
    import logging

    import torch

    from ganforge.models.base import AdversarialModule

    def state():
        gc.collect()
        return (
            list(logging.getLogger("ganforge").handlers),
            [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)],
            torch.get_num_threads(),
            {name: value for name, value in os.environ.items() if name.startswith(("GANFORGE", "OMP", "HYDRA"))},
            sum(issubclass(type(found), AdversarialModule) for found in gc.get_objects()),
        )

    before = state()
    rate = ["optimizer.generator._target_=torch.optim.SGD", "~optimizer.generator.betas"]
    assert cli.main(["train", "-m", *OPTIONS, *rate, "optimizer.generator.lr=1e30,0.01"]) == 1
    assert states("outputs") == ["failed", "failed", "finished", "finished"]
    assert state() == before


def test_killed_in_the_middle_and_launched_again(tmp_path):
    options = [
        "seed=1,2",
        "total_kimg=1.6",
        "callbacks.checkpoint.every_kimg=0.16",
        "callbacks.evaluate.every_kimg=1.6",
    ]
    code, out = sweep(tmp_path / "whole", *options)
    assert code == 0, out
    process = start(tmp_path / "parts", *options)
    wait_for(tmp_path / "parts", "dcgan*/*/checkpoints/previous.ckpt", process, count=2)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    code, out = sweep(tmp_path / "parts", *options)
    assert code == 0, out
    assert "Going on from" in out
    assert states(tmp_path / "parts") == ["finished", "finished", "finished", "skipped"]
    assert results(tmp_path / "parts") == results(tmp_path / "whole")


@pytest.mark.parametrize(("launcher", "number"), [("basic", signal.SIGINT), ("joblib", signal.SIGTERM)])
def test_ctrl_c_saves_and_says_how_to_go_on(launcher, number, tmp_path):
    if launcher in PLUGINS:
        pytest.importorskip(f"hydra_plugins.{PLUGINS[launcher]}")
    options = [
        "seed=1,2",
        "total_kimg=480",
        "callbacks.checkpoint.every_kimg=0.32",
        "callbacks.evaluate.every_kimg=480",
    ]
    workers = ["hydra.launcher.n_jobs=2"] if launcher == "joblib" else []
    at_once = 2 if launcher == "joblib" else 1
    process = start(tmp_path, *options, f"hydra/launcher={launcher}", *workers)
    wait_for(tmp_path, "*/*/checkpoints/last.ckpt", process, count=at_once)
    process.send_signal(number)
    out, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 128 + number, out
    assert f"The sweep is stopped: {at_once} saved on the way, {4 - at_once} not started." in out
    assert "Traceback" not in out
    for path in tmp_path.glob("*/*/run.json"):
        status = json.loads(path.read_text())
        assert status["state"] == "stopped"
        assert (
            load_checkpoint(path.parent / "checkpoints/last.ckpt")["ganforge"]["images_seen"] == status["images_seen"]
        )


def test_runs_of_two_processes_do_not_sweep_again(tmp_path):
    options = ["trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2", "data.batch_size=16", "seed=1"]
    code, out = sweep(tmp_path, *options)
    assert code == 0, out
    assert len(list(tmp_path.glob("*/*/run.json"))) == 2
    assert out.count("2 runs, 2 to do") == 1
    assert out.count("Done:") == 2

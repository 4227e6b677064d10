"""The machine's cores and GPUs, shared out."""

import subprocess
import sys

import pytest
from omegaconf import OmegaConf

from ganforge.core.config import config_folder
from ganforge.core.errors import GanforgeError
from ganforge.sweeps.share import devices_of_workers, fit_launcher, visible_gpus

CLAIM = """
import os, sys, time
from pathlib import Path
from ganforge.sweeps.share import claim_devices
claim_devices(Path("places"), ["0,1", "2,3"])
claim_devices(Path("places"), ["0,1", "2,3"])
print(os.environ.get("CUDA_VISIBLE_DEVICES"), flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize(
    ("gpus", "workers", "expected"),
    [
        ([], 2, []),
        (["0"], 2, ["0", "0"]),
        (["0", "1", "2"], 3, ["0", "1", "2"]),
        (["0", "1", "2", "3"], 2, ["0,1", "2,3"]),
        (["4", "6"], 3, ["4", "6", "4"]),
    ],
)
def test_gpus_of_workers(gpus, workers, expected):
    assert devices_of_workers(gpus, workers) == expected


def test_each_process_has_its_place_until_it_ends(tmp_path):
    def start():
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        process = subprocess.Popen([sys.executable, "-c", CLAIM], cwd=tmp_path, **pipes)
        return process, process.stdout.readline().strip()

    first, second = start(), start()
    assert {first[1], second[1]} == {"0,1", "2,3"}
    first[0].kill()
    first[0].communicate()
    third = start()
    assert third[1] == first[1]
    for process, _ in (second, third):
        process.communicate("", timeout=20)


@pytest.mark.parametrize(("named", "expected"), [("", []), ("-1", []), ("2, 5", ["2", "5"])])
def test_visible_gpus_are_those_named(named, expected, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", named)
    assert visible_gpus() == expected


@pytest.mark.parametrize(
    ("gpus", "devices", "wanted", "runs", "workers", "threads"),
    [
        ("", 1, -1, 9, 4, 2),
        ("", 1, None, 9, 4, 2),
        ("", 1, 3, 9, 3, 2),
        ("", 1, 3, 2, 2, 4),
        ("0,1,2,3", 1, -1, 9, 4, 2),
        ("0,1,2,3", 2, -1, 9, 2, 4),
        ("0,1,2,3", "auto", -1, 9, 1, 8),
    ],
)
def test_workers_and_threads(gpus, devices, wanted, runs, workers, threads, monkeypatch):
    import os

    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    monkeypatch.setattr("ganforge.sweeps.share.find_spec", lambda name: object())
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", gpus)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    target = "hydra_plugins.hydra_joblib_launcher.joblib_launcher.JoblibLauncher"
    config = OmegaConf.create(
        {
            "trainer": {"devices": devices, "accelerator": "auto"},
            "hydra": {"launcher": {"_target_": target, "n_jobs": wanted}},
        }
    )
    fitted, told = fit_launcher(config, runs)
    assert (fitted.hydra.launcher.n_jobs, told) == (workers, workers)
    assert os.environ["OMP_NUM_THREADS"] == str(threads)
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    fit_launcher(config, runs)
    assert os.environ["OMP_NUM_THREADS"] == "3"


@pytest.mark.parametrize(
    ("launcher", "extra"),
    [("joblib", "joblib"), ("submitit_slurm", "submitit"), ("submitit_local", "submitit"), ("ray", "ray")],
)
def test_what_to_install_for_a_launcher(launcher, extra, monkeypatch):
    monkeypatch.setattr("ganforge.sweeps.share.find_spec", lambda name: None)
    chosen = OmegaConf.load(config_folder() / "hydra" / "launcher" / f"{launcher}.yaml")
    with pytest.raises(GanforgeError, match=rf"install .*\[{extra}\]'"):
        fit_launcher(OmegaConf.create({"hydra": {"launcher": chosen}}), 2)

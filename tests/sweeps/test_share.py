"""The machine's cores and GPUs, shared out."""

import os
import subprocess
import sys

import pytest
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from omegaconf import OmegaConf

from ganforge.core.config import config_folder, register_resolvers
from ganforge.core.errors import GanforgeError
from ganforge.sweeps.share import devices_of_workers, fit_launcher, visible_gpus
from quick import PATIENCE


def launcher(name):
    """Return a configuration with a launcher, and what ganforge knows of it."""
    register_resolvers()
    with initialize_config_dir(str(config_folder()), version_base="1.3"):
        hydra = compose("train", [f"hydra/launcher={name}"], return_hydra_config=True).hydra
    config = OmegaConf.create({"hydra": {"launcher": OmegaConf.to_container(hydra.launcher, resolve=False)}})
    return config, instantiate(hydra.sweeper.workers)


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
        process.communicate("", timeout=PATIENCE)


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
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    monkeypatch.setattr("ganforge.sweeps.share.find_spec", lambda name: object())
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", gpus)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    config, chosen = launcher("joblib")
    config.trainer = {"devices": devices, "accelerator": "auto"}
    config.hydra.launcher.n_jobs = wanted
    assert fit_launcher(chosen, config, runs) == config.hydra.launcher.n_jobs == workers
    assert os.environ["OMP_NUM_THREADS"] == str(threads)
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    fit_launcher(chosen, config, runs)
    assert os.environ["OMP_NUM_THREADS"] == "3"


@pytest.mark.parametrize(
    ("name", "extra"),
    [("joblib", "joblib"), ("submitit_slurm", "submitit"), ("submitit_local", "submitit"), ("ray", "ray")],
)
def test_what_to_install_for_a_launcher(name, extra, monkeypatch):
    monkeypatch.setattr("ganforge.sweeps.share.find_spec", lambda name: None)
    config, chosen = launcher(name)
    with pytest.raises(GanforgeError, match=rf"install .*\[{extra}\]'"):
        fit_launcher(chosen, config, 2)


def test_ray_is_asked_for_cores_and_gpus_of_a_run(monkeypatch):
    monkeypatch.setattr("ganforge.sweeps.share.find_spec", lambda name: object())
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    monkeypatch.setenv("RAY_worker_niceness", "15")
    monkeypatch.delenv("RAY_USAGE_STATS_ENABLED", raising=False)
    config, chosen = launcher("ray")
    config.hydra.launcher.ray.remote.num_cpus = 7
    assert fit_launcher(chosen, config, 3) is None
    remote = config.hydra.launcher.ray.remote
    assert (remote.num_cpus, remote.num_gpus) == (7, 1)
    assert [os.environ[name] for name in chosen.environment] == ["0", "15"]
    monkeypatch.delenv("RAY_USAGE_STATS_ENABLED")


def test_a_launcher_of_ones_own_inherits_what_ganforge_knows_of_its_base(tmp_path):
    (tmp_path / "hydra" / "launcher").mkdir(parents=True)
    (tmp_path / "hydra" / "launcher" / "mine.yaml").write_text("defaults: [submitit_slurm]\npartition: gpu\n")
    expected = launcher("submitit_slurm")[1]
    with initialize_config_dir(str(config_folder()), version_base="1.3"):
        words = [f"hydra.searchpath=['file://{tmp_path}']", "hydra/launcher=mine"]
        hydra = compose("train", words, return_hydra_config=True).hydra
    assert instantiate(hydra.sweeper.workers) == expected
    assert hydra.launcher.partition == "gpu"
    assert "workers" not in hydra.launcher

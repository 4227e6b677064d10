"""The machine, shared out among the runs that a launcher starts at once."""

import os
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from filelock import FileLock, Timeout
from omegaconf import DictConfig, OmegaConf, open_dict

from ganforge.core.errors import GanforgeError
from ganforge.core.extras import install

__all__ = ["claim_devices", "devices_of_workers", "fit_launcher", "visible_gpus"]

_EXTRAS = {
    "hydra_plugins.hydra_joblib_launcher": "joblib",
    "hydra_plugins.hydra_submitit_launcher": "submitit",
    "hydra_plugins.hydra_ray_launcher": "ray",
}

#: The locks that this process holds, as long as it lives.
_held: list[FileLock] = []


def visible_gpus() -> list[str]:
    """Return the identifiers of the GPUs that this process may use, as ``CUDA_VISIBLE_DEVICES`` names them."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [name.strip() for name in named.split(",") if name.strip() not in ("", "-1")]
    import torch

    return [str(number) for number in range(torch.cuda.device_count())]


def fit_launcher(config: DictConfig, runs: int) -> tuple[DictConfig, int | None]:
    """Replace what a launcher's configuration leaves to the machine.

    Args:
        config: the sweep's configuration, Hydra's part included.
        runs: how many runs there are to launch.

    Returns:
        The configuration to build the launcher from, and how many runs share this machine; ``None`` where the launcher
        finds places for them itself.

    Raises:
        GanforgeError: if the launcher is not installed.
    """
    launcher = config.hydra.launcher
    target = str(launcher._target_)
    package = ".".join(target.split(".")[:2])
    extra = _EXTRAS.get(package)
    if extra is None:
        return config, 1
    if not _installed(package):
        raise GanforgeError(f"This launcher is not installed: {install(extra)}.")
    if extra == "ray":
        _fit_ray(launcher)
        return config, None
    if target.endswith("SlurmLauncher"):
        return config, None
    wanted = (launcher.n_jobs or -1) if extra == "joblib" else -1
    workers = min(_workers(config) if wanted < 1 else wanted, runs)
    if extra == "joblib":
        launcher.n_jobs = workers
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // workers)))
    return config, workers


def _installed(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except ModuleNotFoundError:
        return False


def _workers(config: DictConfig) -> int:
    """Return how many runs to train at once: one for the GPUs that it asks for; without GPUs one for two cores."""
    gpus, devices = len(visible_gpus()), OmegaConf.select(config, "trainer.devices")
    if gpus and config.trainer.accelerator != "cpu":
        return max(1, gpus // devices) if isinstance(devices, int) else 1
    return max(1, (os.cpu_count() or 1) // 2)


def _fit_ray(launcher: DictConfig) -> None:
    """Give each run two cores and, where there are GPUs, one: ray hides those that a run did not ask for."""
    remote = launcher.ray.remote
    with open_dict(launcher):
        if remote.num_cpus is None:
            remote.num_cpus = min(2, os.cpu_count() or 1)
        if remote.num_gpus is None:
            remote.num_gpus = 1 if visible_gpus() else 0
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing here calls home
    os.environ.setdefault("RAY_worker_niceness", "0")  # the runs are the work, not guests beside it


def devices_of_workers(gpus: Sequence[str], workers: int) -> list[str]:
    """Share GPUs out: neighbours together where there are more than workers, in turn where there are fewer.

    Returns:
        ``CUDA_VISIBLE_DEVICES`` of each worker; empty without GPUs.
    """
    if not gpus:
        return []
    each = max(1, len(gpus) // workers)
    return [",".join(gpus[(worker * each + i) % len(gpus)] for i in range(each)) for worker in range(workers)]


def claim_devices(folder: Path, devices: Sequence[str]) -> None:
    """Take a worker's place on the machine for as long as this process lives; the runs it does later stay there.

    Args:
        folder: where the places' locks are.
        devices: of each place, what :func:`devices_of_workers` gave.
    """
    if _held or not devices:
        return
    folder.mkdir(parents=True, exist_ok=True)
    for place, named in enumerate(devices):
        lock = FileLock(folder / f"place{place}.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            continue
        _held.append(lock)
        os.environ["CUDA_VISIBLE_DEVICES"] = named
        return

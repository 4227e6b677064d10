"""Sharing the machine's cores and GPUs among the runs that a launcher starts at once."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from filelock import FileLock, Timeout
from omegaconf import DictConfig, OmegaConf, open_dict

from ganforge.core.errors import GanforgeError
from ganforge.core.extras import install

__all__ = ["Workers", "claim_devices", "devices_of_workers", "fit_launcher", "visible_gpus"]

#: The locks that this process holds, as long as it lives.
_held: list[FileLock] = []


def visible_gpus() -> list[str]:
    """Return the identifiers of the GPUs that this process may use, as ``CUDA_VISIBLE_DEVICES`` names them."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [name.strip() for name in named.split(",") if name.strip() not in ("", "-1")]
    import torch

    return [str(number) for number in range(torch.cuda.device_count())]


@dataclass(frozen=True)
class Workers:
    """What one of Hydra's launchers does with the runs that it is given: an option of ``hydra/sweeper/workers``.

    A launcher's own YAML file chooses it. Without one, as for ``hydra/launcher=basic``, runs come one after another.

    Attributes:
        extra: of ganforge, installs the launcher.
        places: ``here`` where runs side by side share this machine, whose cores and GPUs are then dealt out among them;
            ``elsewhere`` where the launcher finds a place for each; ``one`` where there are no two at once.
        count_key: of the launcher, takes the number of workers; without it the launcher starts all that it is given at
            once, and so is given that many.
        resources_key: of the launcher, its node with ``num_cpus`` and ``num_gpus`` of one run.
        own_jobs: whether each run is a job of its own, which may queue itself again.
        relaunch: whether what a dead worker took down with it is launched once more.
        environment: variables that are set unless they are set already.
    """

    extra: str | None = None
    places: str = "one"
    count_key: str | None = None
    resources_key: str | None = None
    own_jobs: bool = False
    relaunch: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)


def fit_launcher(workers: Workers, config: DictConfig, runs: int) -> int | None:
    """Fill in what a launcher's configuration leaves to the machine.

    Args:
        workers: what the launcher does.
        config: the sweep's configuration, Hydra's part included, changed in place.
        runs: how many runs there are to launch.

    Returns:
        How many runs share this machine; ``None`` where the launcher finds places for them itself.

    Raises:
        GanforgeError: if the launcher is not installed.
    """
    launcher = config.hydra.launcher
    if workers.extra is not None and not _installed(str(launcher._target_).rpartition(".")[0]):
        raise GanforgeError(f"This launcher is not installed: {install(workers.extra)}.")
    for name, value in workers.environment.items():
        os.environ.setdefault(name, value)
    if workers.resources_key is not None:
        _fill_resources(OmegaConf.select(launcher, workers.resources_key))
    if workers.places != "here":
        return None if workers.places == "elsewhere" else 1
    wanted = -1 if workers.count_key is None else launcher[workers.count_key] or -1
    count = min(_fitting(config) if wanted < 1 else wanted, runs)
    if workers.count_key is not None:
        launcher[workers.count_key] = count
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // count)))
    return count


def _installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def _fitting(config: DictConfig) -> int:
    """Return how many runs to train at once: one for the GPUs that it asks for; without GPUs one for two cores."""
    gpus, devices = len(visible_gpus()), OmegaConf.select(config, "trainer.devices")
    if gpus and config.trainer.accelerator != "cpu":
        return max(1, gpus // devices) if isinstance(devices, int) else 1
    return max(1, (os.cpu_count() or 1) // 2)


def _fill_resources(resources: DictConfig) -> None:
    """Give a run two cores and, where there are GPUs, one, unless configured otherwise: others are hidden from it."""
    with open_dict(resources):
        if resources.num_cpus is None:
            resources.num_cpus = min(2, os.cpu_count() or 1)
        if resources.num_gpus is None:
            resources.num_gpus = 1 if visible_gpus() else 0


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

"""A run's folder: what state it is in, and what it holds besides numbers and weights."""

import json
import os
import shutil
import socket
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from ganforge.core.errors import GanforgeError
from ganforge.core.files import write_text
from ganforge.core.settings import without_settings
from ganforge.core.slurm import is_running, this_job
from ganforge.runs.provenance import provenance

__all__ = ["RunFolder", "checkpoint_to_resume", "is_alive", "this_process"]


class RunFolder:
    """The folder ``outputs/<name>/<signature>`` and its ``run.json``.

    Args:
        path: the folder; it may not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.checkpoints = path / "checkpoints"
        self._status = path / "run.json"

    def status(self) -> dict[str, Any]:
        """Return ``run.json``; empty where there is none, or only half of one, or something else."""
        try:
            loaded = json.loads(self._status.read_text())
        except (OSError, ValueError):
            return {}
        return loaded if isinstance(loaded, dict) else {}

    def update(self, **values: object) -> None:
        """Add values to ``run.json``."""
        self.path.mkdir(parents=True, exist_ok=True)
        write_text(self._status, json.dumps({**self.status(), **values}, indent=2) + "\n")

    def is_being_written(self) -> str | None:
        """Return who trains in this folder right now: a process alive on this machine, or a SLURM job on another."""
        status = self.status()
        if status.get("state") != "running":
            return None
        if status.get("host") != socket.gethostname():
            job = status.get("slurm_job")
            return f"SLURM job {job}" if job and is_running(job) else None
        pid = _pid(status)
        if pid == os.getpid() or not is_alive(status):
            return None
        return f"Process {pid}"

    def has_checkpoint(self) -> bool:
        """Whether there is something to go on from."""
        return any((self.checkpoints / name).exists() for name in ("last.ckpt", "previous.ckpt"))

    @property
    def _aside(self) -> Path:
        return self.path.with_name(f".{self.path.name}.replaced")

    def set_aside(self) -> None:
        """Move what an earlier run left out of the way; :meth:`settle` decides what becomes of it."""
        shutil.rmtree(self._aside, ignore_errors=True)
        if self.path.exists():
            self.path.rename(self._aside)

    def settle(self) -> None:
        """Delete what was set aside once this run has a checkpoint; until then a failed start restores it."""
        if not self._aside.exists():
            return
        if self.has_checkpoint():
            shutil.rmtree(self._aside, ignore_errors=True)
        else:
            shutil.rmtree(self.path, ignore_errors=True)
            self._aside.rename(self.path)

    def begin(self, config: DictConfig, command: list[str]) -> None:
        """Record the configuration and the options it was composed from, the command line, commit and versions."""
        self.path.mkdir(parents=True, exist_ok=True)
        write_text(self.path / "config.yaml", OmegaConf.to_yaml(without_settings(config), resolve=True))
        settings = config.get("settings")
        self.update(
            state="running",
            **this_process(),
            slurm_job=this_job(),
            command=command,
            settings=None if settings is None else OmegaConf.to_container(settings),
            started=time.strftime("%Y-%m-%dT%H:%M:%S%z"),
            **provenance(),
            error=None,
            ending=None,
        )


def this_process() -> dict[str, object]:
    """Return what identifies this process: host, number and start."""
    pid = os.getpid()
    return {"host": socket.gethostname(), "pid": pid, "process_start": _process_start(pid)}


def is_alive(process: Mapping[str, object]) -> bool | None:
    """Whether a process that :func:`this_process` has described still runs; ``None``: another machine's, unknown."""
    if process.get("host") != socket.gethostname():
        return None
    return _pid(process) > 0 and _alive(_pid(process), str(process.get("process_start", "")))


def _pid(process: Mapping[str, object]) -> int:
    """Return the number of a process that :func:`this_process` has described; 0 where that says none."""
    pid = process.get("pid")
    return pid if isinstance(pid, int) else 0


def _alive(pid: int, started: str) -> bool:
    """Whether ``pid`` runs and is the process that wrote it, not a later one with its number."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return not started or _process_start(pid) == started


def _process_start(pid: int) -> str:
    """Return the kernel's start time of a process where there is a /proc, else nothing."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def checkpoint_to_resume(folder: RunFolder, resume: object, option: str = "resume") -> tuple[Path, dict[str, Any]]:
    """Return the checkpoint that ``resume`` asks for, and its content, after loading it whole.

    Args:
        folder: the run's folder.
        resume: ``True`` for the last one, ``previous``, ``best``, or a path.
        option: what the user typed it as, for sentences.

    Raises:
        GanforgeError: if it is missing or damaged; the sentence offers another one that is whole.
    """
    named = {True: "last.ckpt", "last": "last.ckpt", "previous": "previous.ckpt", "best": "best.ckpt"}
    path = folder.checkpoints / named[resume] if resume in named else Path(str(resume)).expanduser()
    if not path.exists() and resume is True:
        path = folder.checkpoints / "previous.ckpt"
    if not path.is_file():
        raise GanforgeError(f"There is no checkpoint at '{path}': {_offer(folder, path, option)}")
    content = load_checkpoint(path)
    if content is None:
        raise GanforgeError(f"The checkpoint '{path}' is damaged or cut short: {_offer(folder, path, option)}")
    return path, content


def load_checkpoint(path: Path) -> dict[str, Any] | None:
    """Load a checkpoint without running any code from it; ``None`` if it is damaged or not one of ours."""
    import torch

    try:
        content: dict[str, object] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception:
        return None
    return content if isinstance(content, dict) and "ganforge" in content else None


def _offer(folder: RunFolder, but: Path, option: str) -> str:
    """Return the way out: another checkpoint that is whole, or a new start."""
    for word in ("last", "previous", "best"):
        path = folder.checkpoints / f"{word}.ckpt"
        if path == but or not path.is_file():
            continue
        content = load_checkpoint(path)
        if content is not None:
            seen = content["ganforge"]["images_seen"]
            return f"'{path.name}' beside it is whole (at {seen:,} images); use {option}={word}."
    return "no other one is whole; start over with force=true."


def command_line() -> list[str]:
    """Return the command as typed, the program's folder left out."""
    return [Path(sys.argv[0]).name, *sys.argv[1:]]

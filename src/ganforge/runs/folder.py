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
from ganforge.core.files import read_json, write_text
from ganforge.core.secrets import masked, masked_words
from ganforge.core.settings import shown_settings
from ganforge.core.slurm import is_running, this_job
from ganforge.runs.provenance import provenance

__all__ = ["RunFolder", "checkpoint_path", "checkpoint_to_resume", "is_alive", "this_process"]


class RunFolder:
    """The folder ``outputs/<name>/<signature>`` and its ``run.json``.

    Args:
        path: the folder; it may not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.checkpoints = path / "checkpoints"
        self._status = path / "run.json"
        self._before: dict[Path, str] = {}
        self._started_before = 0

    def status(self) -> dict[str, Any]:
        """Return ``run.json``; empty where there is none, or only half of one, or something else."""
        try:
            loaded = read_json(self._status)
        except (OSError, ValueError):
            return {}
        return loaded if isinstance(loaded, dict) else {}

    def update(self, **values: object) -> None:
        """Add values to ``run.json``; secrets in it are masked."""
        self.path.mkdir(parents=True, exist_ok=True)
        write_text(self._status, json.dumps(masked({**self.status(), **values}), indent=2) + "\n")

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
        """Move what an earlier run left out of the way; :meth:`settle` decides what becomes of it.

        A start that was killed before its first checkpoint gives way itself: what it was to replace is still aside.
        """
        if self._aside.exists() and not self.has_checkpoint():
            shutil.rmtree(self.path, ignore_errors=True)
            return
        shutil.rmtree(self._aside, ignore_errors=True)
        if self.path.exists():
            self.path.rename(self._aside)

    def settle(self) -> None:
        """Delete what was set aside once this run has a checkpoint; until then a failed start restores it.

        Where a run with a checkpoint was refused before it went on, its record is what it was.
        """
        if self._before and len(self.status().get("start") or ()) == self._started_before:
            for path, text in self._before.items():
                write_text(path, text)
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
        if self.has_checkpoint():
            record = [path for path in (self._status, self.path / "config.yaml") if path.is_file()]
            self._before = {path: path.read_text(encoding="utf-8") for path in record}
            self._started_before = len(self.status().get("start") or ())
        settings = config.get("settings")
        self.update(  # before any other file: a folder without run.json is taken for somebody else's
            state="running",
            **this_process(),
            slurm_job=this_job(),
            command=command,
            settings=None if settings is None else OmegaConf.to_container(settings),
            started=time.strftime("%Y-%m-%dT%H:%M:%S%z"),
            **provenance(config),
            error=None,
            ending=None,
        )
        write_text(self.path / "config.yaml", OmegaConf.to_yaml(OmegaConf.create(shown_settings(config))))


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
    return pid if isinstance(pid, int) and 0 < pid < 2**31 else 0


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


def checkpoint_path(folder: RunFolder, resume: object, option: str = "resume") -> Path:
    """Return where the checkpoint is that ``resume`` asks for; see :func:`checkpoint_to_resume`.

    Raises:
        GanforgeError: if there is none; the sentence offers another one that is whole.
    """
    is_last = resume in (True, "auto", "extend")
    if is_last or resume in ("last", "previous", "best", "healthy"):
        path = folder.checkpoints / ("last.ckpt" if is_last else f"{resume}.ckpt")
    else:
        path = Path(str(resume)).expanduser()
    if not path.exists() and is_last:
        path = folder.checkpoints / "previous.ckpt"
    if not path.is_file():
        raise GanforgeError(f"There is no checkpoint at '{path}': {_offer(folder, path, option)}")
    return path


def checkpoint_to_resume(folder: RunFolder, resume: object, option: str = "resume") -> tuple[Path, dict[str, object]]:
    """Return the checkpoint that ``resume`` asks for, and its content, after loading it whole.

    Args:
        folder: the run's folder.
        resume: ``True``, ``auto`` or ``extend`` for the last one, or that before it where a kill has left no last;
            ``last``, ``previous``, ``best``, ``healthy``, or a path.
        option: what the user typed it as, for sentences.

    Raises:
        GanforgeError: if it is missing or damaged; the sentence offers another one that is whole.
    """
    path = checkpoint_path(folder, resume, option)
    content = load_checkpoint(path)
    if content is None:
        raise GanforgeError(f"The checkpoint '{path}' is damaged or cut short: {_offer(folder, path, option)}")
    return path, content


def load_checkpoint(path: Path) -> dict[str, object] | None:
    """Load a checkpoint without running any code from it; ``None`` if it is damaged or not one of ours."""
    import torch

    try:
        content: dict[str, object] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception:
        return None
    return content if isinstance(content, dict) and ("ganforge" in content or "state_dict" in content) else None


def _offer(folder: RunFolder, but: Path, option: str) -> str:
    """Return the way out: another checkpoint that is whole, or a new start."""
    from ganforge.models.contents import images_seen_of

    for word in ("last", "previous", "best"):
        path = folder.checkpoints / f"{word}.ckpt"
        if path == but or not path.is_file():
            continue
        content = load_checkpoint(path)
        if content is not None:
            seen = images_seen_of(content)
            at = "" if seen is None else f" (at {seen:,} images)"
            return f"'{path.name}' beside it is whole{at}; use {option}={word}."
    return "no other one is whole; start over with force=true."


def command_line() -> list[str]:
    """Return the command as typed, the program's folder left out and secrets masked."""
    return masked_words([Path(sys.argv[0]).name, *sys.argv[1:]])

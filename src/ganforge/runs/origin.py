"""Where training starts: from nothing, from the run's own checkpoint or another run's; and how that is recorded."""

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypedDict

from omegaconf import DictConfig

from ganforge.core.console import say
from ganforge.core.errors import GanforgeError
from ganforge.core.launch import environment_rank
from ganforge.loggers.base import Loggers
from ganforge.models.contents import Checkpoint, images_seen_of, require
from ganforge.runs.data_record import Record, changes, check_data, fingerprints
from ganforge.runs.differences import ABSENT, differences
from ganforge.runs.folder import RunFolder, checkpoint_to_resume
from ganforge.runs.start import RESUME_WORDS, recorded_settings, settings_of, source_of, wants_fork

if TYPE_CHECKING:
    from ganforge.data.module import DataModule
    from ganforge.models.base import AdversarialModule

__all__ = ["Origin", "find_origin", "record_start", "rewind_logs", "settle_data"]


#: More differences than these are not said one by one.
_MANY = 24


class Source(TypedDict):
    """The run that another one begins from, as ``run.json`` and loggers have it."""

    run: str
    checkpoint: str
    images_seen: int | None
    networks: Literal["all"] | list[str]
    clock: Literal["reset", "keep"]
    wandb: str | None
    changed: dict[str, list[object]] | None


@dataclass(frozen=True)
class Origin:
    """Where training starts.

    Attributes:
        mode: ``new``, ``fork``, ``continue``, ``extend``, or ``finish``: all images were seen already.
        record: what ``run.json`` keeps of it.
        resume_from: the checkpoint that Lightning restores.
        content: that checkpoint's, loaded.
    """

    mode: str
    record: dict[str, object] = field(default_factory=dict)
    resume_from: Path | None = None
    content: Checkpoint | None = None


def find_origin(config: DictConfig, folder: RunFolder, loggers: Loggers, model: "AdversarialModule") -> Origin:
    """Return where training starts: the run's own checkpoint, another run's, which the model is given, or nothing."""
    if config.resume in RESUME_WORDS and not folder.has_checkpoint():
        return _forked(config, loggers, model) if wants_fork(config) else Origin("new")
    path, content = checkpoint_to_resume(folder, config.resume)
    saved = require(content, "resume", path)
    images_seen = saved["ganforge"]["images_seen"]
    record: dict[str, object] = {"checkpoint": str(path), "images_seen": images_seen, "total_kimg": config.total_kimg}
    if images_seen >= model.total_images:
        say(f"All images were seen at {path} ({images_seen:,}): finishing what was left of the run.")
        return Origin("finish", record, content=saved)
    say(f"Going on from {path} at {images_seen:,} images.")
    return Origin("extend" if config.resume == "extend" else "continue", record, path, saved)


def _forked(config: DictConfig, loggers: Loggers, model: "AdversarialModule") -> Origin:
    """Give the model what ``start`` takes from another run."""
    content, record = _source_of(config)
    _say_fork(record)
    networks = None if record["networks"] == "all" else record["networks"]
    model.begin_from(content, networks, keep_clock=config.start.clock == "keep")
    if model.images_seen >= model.total_images:
        raise GanforgeError(
            f"start.clock=keep begins at {model.images_seen:,} images, where total_kimg={config.total_kimg:g} is "
            "reached: raise total_kimg, or set start.clock=reset."
        )
    loggers.log_origin(record)
    return Origin("fork", {**record})


def rewind_logs(origin: Origin, loggers: Loggers) -> None:
    """Drop what was logged after the clock that training goes on from, once nothing can be refused any more."""
    content: Checkpoint = origin.content or {}
    loggers.load_state_dict(content.get("loggers", {}))
    loggers.rewind(images_seen_of(content) or 0)


def settle_data(config: DictConfig, folder: RunFolder, data: "DataModule", origin: Origin) -> Record:
    """Load the data and return their record, after comparing a run that goes on with what it began with."""
    splits, recorded = data.splits(), folder.status().get("data")
    if origin.mode in ("new", "fork"):
        return fingerprints(splits)
    if not config.data_changed:
        check_data(recorded, splits, folder.path, "data_changed=true goes on nevertheless, force=true starts over.")
    found = changes(recorded, splits)
    if found is not None:
        say(f"The data have changed since the run began ({found}), and data_changed=true goes on with them.")
        origin.record["data_changed"] = found
    return fingerprints(splits)


def record_start(folder: RunFolder, origin: Origin, data: Record) -> None:
    """Add to ``run.json`` how training has started this time, and the data's record; the first process does it."""
    if environment_rank() > 0:
        return
    entry = {"mode": origin.mode, "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"), **origin.record}
    starts = folder.status().get("start")
    folder.update(start=[*(starts if isinstance(starts, list) else []), entry], data=data)


def _source_of(config: DictConfig) -> tuple[dict[str, object], Source]:
    """Return the content of the checkpoint that ``start`` names, and what ``run.json`` keeps of it.

    Raises:
        GanforgeError: if ``start`` is impossible, or there is no such checkpoint.
    """
    start = config.start
    path, checkpoint = source_of(config)
    folder = RunFolder(path)
    file, content = checkpoint_to_resume(folder, checkpoint, "start.checkpoint")
    own = settings_of(config) or recorded_settings(RunFolder(Path(config.paths.run)))  # a child reads what was begun
    changed = differences(recorded_settings(folder), own)
    record: Source = {
        "run": str(path),
        "checkpoint": file.name if file.parent == folder.checkpoints else str(file),
        "images_seen": images_seen_of(content),
        "networks": "all" if start.networks == "all" else list(start.networks),
        "clock": start.clock,
        "wandb": _wandb_of(folder),
        "changed": {key: list(pair) for key, pair in changed.items()} if recorded_settings(folder) else None,
    }
    return content, record


def _wandb_of(folder: RunFolder) -> str | None:
    """Return the identifier of a run at Weights & Biases, if it has one."""
    try:
        found = (folder.path / "wandb_run_id").read_text().strip()
    except (OSError, ValueError):
        return None
    return found if found.isalnum() and len(found) < 100 else None


def _say_fork(record: Source) -> None:
    """Say from what a run begins and what is different."""
    what = "everything" if record["networks"] == "all" else ", ".join(record["networks"])
    clock = "its clock goes on" if record["clock"] == "keep" else "the clock begins at 0"
    at = "" if record["images_seen"] is None else f" at {record['images_seen']:,} images"
    say(f"Starting from '{record['run']}', {record['checkpoint']}{at}: {what}; {clock}.")
    if record["changed"] is None:
        say("  It has no run.json that says what is different here.")
        return
    if len(record["changed"]) > _MANY:
        say(f"  It is another model's: {len(record['changed'])} values differ, and run.json lists them.")
        return
    for key, (old, new) in record["changed"].items():
        say(f"  {key}: {old} there, {new} here" if ABSENT not in (old, new) else f"  {key}: {old} -> {new}")

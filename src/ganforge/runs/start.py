"""How a configuration relates to the runs that are there: which folder is its own, and what it may go on with."""

import os
from collections.abc import Mapping
from pathlib import Path

from omegaconf import DictConfig, OmegaConf, open_dict

from ganforge.core.containers import plain
from ganforge.core.errors import GanforgeError
from ganforge.core.sweep import inside_a_sweep
from ganforge.runs.differences import Differences, describe, differences, lengths
from ganforge.runs.folder import RunFolder, checkpoint_path

__all__ = [
    "RESUME_WORDS",
    "at_its_place",
    "check_settings",
    "check_sources",
    "makes_longer",
    "place_of",
    "recorded_settings",
    "settings_of",
    "source_of",
    "wants_fork",
]

#: What ``resume`` may be besides a checkpoint's name or path.
RESUME_WORDS = (True, False, "auto", "extend")

#: More values than these make another experiment, not a mistaken one.
_FEW = 4


def settings_of(config: DictConfig) -> dict[str, object]:
    """Return a configuration's settings as plain containers; empty in a child process, where they are not known."""
    settings = config.get("settings")
    return {} if settings is None else plain(settings)


def recorded_settings(folder: RunFolder) -> dict[str, object]:
    """Return the settings that a run's folder has recorded; empty where it has none."""
    settings = folder.status().get("settings")
    return settings if isinstance(settings, dict) else {}


def wants_fork(config: DictConfig) -> bool:
    """Whether the configuration asks to begin from another run."""
    return OmegaConf.select(config, "start.run") is not None


def source_of(config: DictConfig) -> tuple[Path, str]:
    """Return the folder that ``start`` names, and the checkpoint in it.

    Raises:
        GanforgeError: if there is neither a folder nor a checkpoint's file.
    """
    path = Path(str(config.start.run)).expanduser()
    if path.is_file():
        return path.resolve().parent.parent, str(path)
    if not path.is_dir():
        raise GanforgeError(f"start.run='{config.start.run}' is neither a run's folder nor a checkpoint's file.")
    return path, str(config.start.checkpoint)


def check_sources(config: DictConfig, folder: RunFolder) -> None:
    """Refuse to begin or go on from a checkpoint that is not there.

    Raises:
        GanforgeError: naming where it was looked for, and one that is there.
    """
    if config.resume not in RESUME_WORDS:
        checkpoint_path(folder, config.resume)
    elif wants_fork(config) and not folder.has_checkpoint():
        source, checkpoint = source_of(config)
        checkpoint_path(RunFolder(source), checkpoint, "start.checkpoint")


def makes_longer(config: DictConfig, folder: RunFolder) -> bool:
    """Whether a configuration is to train a folder's run longer than it was."""
    return config.resume == "extend" and recorded_settings(folder) != settings_of(config)


def at_its_place(config: DictConfig) -> DictConfig:
    """Return the configuration with the folder in which its run is; a sweep has found those of its runs.

    Raises:
        GanforgeError: if there is no run to extend.
    """
    place = Path(config.paths.run) if inside_a_sweep() else place_of(config)
    return config if place == Path(config.paths.run) else _moved(config, place)


def place_of(config: DictConfig) -> Path:
    """Return the folder of a configuration's run: one that was trained longer has kept its own.

    ``resume=extend`` finds the run to train longer.

    Raises:
        GanforgeError: if there is no run to extend.
    """
    folder = RunFolder(Path(config.paths.run))
    settings = settings_of(config)
    if folder.status() or not settings:
        return folder.path
    others = _siblings(folder, settings)
    found = next((path for path, differing in others.items() if not differing), None)
    if found is None and config.resume == "extend":
        found = _to_extend(others)
    return found or folder.path


def _to_extend(others: Mapping[Path, Differences]) -> Path:
    """Return the longest run that differs in its length alone."""
    found = {path: length for path, differing in others.items() if (length := lengths(differing)) is not None}
    shorter = {path: there for path, (there, here) in found.items() if there < here}
    if shorter:
        return max(shorter, key=lambda path: shorter[path])
    if found:
        path, (kimg, _) = max(found.items(), key=lambda item: item[1])
        raise GanforgeError(
            f"resume=extend makes a run longer, and '{path}' has been trained for {kimg:g} kimg: raise total_kimg."
        )
    nearest = _nearest(others)
    hint = "leave resume=extend out to begin one"
    if nearest is not None:
        hint = f"the nearest, '{nearest[0]}', differs in {describe(nearest[1])}"
    raise GanforgeError(f"There is no run that differs from this configuration in total_kimg alone: {hint}.")


def _siblings(folder: RunFolder, settings: Mapping[str, object]) -> dict[Path, Differences]:
    """Return the other runs of the same name and seed that have a checkpoint, and how they differ."""
    found = {}
    for path in sorted(folder.path.parent.glob("*/run.json")):
        other = RunFolder(path.parent)
        recorded = recorded_settings(other)
        if other.path == folder.path or not recorded or recorded.get("seed") != settings.get("seed"):
            continue
        if other.has_checkpoint() and recorded.get("start") == settings.get("start"):
            found[other.path] = differences(recorded, settings)
    return found


def _nearest(others: Mapping[Path, Differences]) -> tuple[Path, Differences] | None:
    few = [item for item in others.items() if len(item[1]) <= _FEW]
    return min(few, key=lambda item: len(item[1]), default=None)


def _moved(config: DictConfig, place: Path) -> DictConfig:
    """Return the configuration with its run in another folder, in what is already resolved to the old one, too."""
    old = str(config.paths.run)

    def moved(node: object) -> object:
        if isinstance(node, dict):
            return {key: moved(value) for key, value in node.items()}
        if isinstance(node, list):
            return [moved(value) for value in node]
        if isinstance(node, str) and (node == old or node.startswith(f"{old}/")):
            return f"{place}{node[len(old) :]}"
        return node

    changed = OmegaConf.create({key: moved(value) for key, value in plain(config, resolve=False).items()})
    with open_dict(changed):
        changed.paths.run = str(place)
    OmegaConf.set_struct(changed, True)
    return changed


def check_settings(config: DictConfig, folder: RunFolder) -> None:
    """Refuse to go on with something else than was begun.

    Raises:
        GanforgeError: naming what differs, and what to type.
    """
    settings, recorded = settings_of(config), recorded_settings(folder)
    if not settings:
        return
    if folder.has_checkpoint() and recorded:
        _check_same(config, folder, differences(recorded, settings))
    elif config.resume is True and not folder.has_checkpoint() and not _many_are_meant() and not wants_fork(config):
        _check_no_neighbour(folder, settings)
    elif config.resume not in (*RESUME_WORDS, "last", "previous", "best", "healthy"):
        _check_foreign(Path(str(config.resume)).expanduser(), settings)


def _check_same(config: DictConfig, folder: RunFolder, differing: Differences) -> None:
    """Compare with what this very folder holds: it may have been trained longer, or named by hand."""
    if not differing:
        return
    place = f"'{folder.path}' holds a run that differs in {describe(differing)}"
    length = lengths(differing)
    if length is None:
        raise GanforgeError(
            f"{place}: 'start={{run: {folder.path}}}' with a folder of its own (paths.run or name) begins from its "
            "weights; force=true deletes it and starts over."
        )
    old, new = length
    if new < old:
        raise GanforgeError(f"{place}: it was trained longer; give total_kimg={old:g}, or another name= for a new run.")
    if config.resume != "extend":
        raise GanforgeError(f"{place}: add resume=extend to train it longer, or another name= for a new run.")


def _check_no_neighbour(folder: RunFolder, settings: Mapping[str, object]) -> None:
    """Refuse to begin where ``resume=true`` expects a run, and one is near."""
    nearest = _nearest(_siblings(folder, settings))
    if nearest is None:
        return
    path, differing = nearest
    way = f"'start={{run: {path}}}' begins a run from its weights"
    length = lengths(differing)
    if length is not None:
        old, new = length
        way = "resume=extend trains it longer" if new > old else f"total_kimg={old:g} names it"
    raise GanforgeError(
        f"There is no run of this configuration to go on from, and the nearest, '{path}', differs in "
        f"{describe(differing)}: {way}; resume=auto begins a new run here."
    )


def _many_are_meant() -> bool:
    """Whether neighbours are to be expected: runs of a sweep, of W&B's agent or of an array of SLURM jobs."""
    return inside_a_sweep() or any(name in os.environ for name in ("WANDB_SWEEP_ID", "SLURM_ARRAY_TASK_ID"))


def _check_foreign(path: Path, settings: Mapping[str, object]) -> None:
    """Compare with the run that a checkpoint given by its path is from."""
    run = path.resolve().parent.parent
    recorded = recorded_settings(RunFolder(run))
    offer = f"'start={{run: {path}}}' begins a run of its own from it"
    if not recorded:
        raise GanforgeError(f"Nothing beside '{path}' says of which configuration it is (no run.json): {offer}.")
    differing = differences(recorded, settings)
    if differing:
        raise GanforgeError(
            f"The checkpoint '{path}' is from another configuration, which differs in {describe(differing)}: {offer}; "
            "resume= goes on with the same one alone."
        )

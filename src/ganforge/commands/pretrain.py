"""Train the run that another one begins from, as a run of its own, where its recipe asks for one and none is given."""

from collections.abc import Callable, Mapping
from pathlib import Path

from omegaconf import DictConfig, OmegaConf, open_dict

from ganforge.core.config import compose
from ganforge.core.console import say
from ganforge.core.errors import GanforgeError
from ganforge.core.files import lock
from ganforge.core.launch import environment_processes
from ganforge.core.workarounds import command_line
from ganforge.runs.folder import RunFolder
from ganforge.runs.start import wants_fork

__all__ = ["pretrain", "wants_pretraining"]

#: What was typed of the later run that the first one has too: data, networks, seed, machine, and how it is measured.
_SHARED = (
    *("data", "network", "budget", "seed", "protocol", "callbacks", "debug", "hydra", "conditioning"),
    *("trainer", "logger", "paths", "download", "trace", "trust", "requeue", "data_changed", "machine"),
)


def wants_pretraining(config: DictConfig, folder: RunFolder) -> bool:
    """Whether the run is to begin from one that its recipe names, and has not begun yet."""
    begins = config.force or not folder.has_checkpoint()
    return OmegaConf.select(config, "pretrain.model") is not None and not wants_fork(config) and bool(begins)


def pretrain(config: DictConfig, train: Callable[[DictConfig], Mapping[str, float]]) -> None:
    """Train what ``pretrain`` names unless it is there, and let the run begin from it.

    It is the run that ``ganforge train model=... data=...`` with the same data and machine would be, in that one's
    folder: one that is finished is taken, one that was stopped goes on, and where another process trains it through
    here, this one waits.

    Args:
        config: of the later run; ``start`` is set in it.
        train: trains a composed configuration.

    Raises:
        GanforgeError: if it cannot be composed or trained, or in one of several processes.
    """
    words = _words(config)
    first = compose(words)
    first.requeue = config.requeue  # a sweep queues itself again, for all its runs
    folder, model = Path(first.paths.run), config.pretrain.model
    if RunFolder(folder).status().get("state") != "finished" and environment_processes() > 1:
        raise GanforgeError(
            f"This run begins from one of model={model}, which is not there yet, and a launcher has started several "
            f"processes: train that one first, or name one with 'start={{run: FOLDER, networks: [generator]}}'."
        )
    with lock(Path(first.paths.outputs) / ".pretrain" / folder.name):
        if RunFolder(folder).status().get("state") != "finished":
            say(f"This run begins from one of model={model}, which is trained first, as a run of its own: {folder}")
        with command_line("ganforge", "train", *words):
            train(first)
    with open_dict(config):
        config.start.run, config.start.networks = str(folder), list(config.pretrain.networks)


def _words(config: DictConfig) -> list[str]:
    """Return what composes the first run, from what was typed of the later one."""
    words = list(config.pretrain.get("words") or [])
    if any(word.startswith("experiment=") and word != "experiment=null" for word in words):
        raise GanforgeError(
            f"An experiment does not say what the run of model={config.pretrain.model} is that this one begins from: "
            "train that one, and name it with 'start={run: FOLDER, networks: [generator]}'."
        )
    kept = [word for word in words if _key(word).partition(".")[0].partition("/")[0] in _SHARED and not _is_place(word)]
    length = config.pretrain.total_kimg
    own = [f"model={config.pretrain.model}", *([] if length is None else [f"total_kimg={length}"]), "resume=auto"]
    return [*own, *kept]


def _key(word: str) -> str:
    return word.partition("=")[0].lstrip("+~").partition("@")[0]


def _is_place(word: str) -> bool:
    """Whether a word names the later run's own folder."""
    return _key(word) == "paths.run"

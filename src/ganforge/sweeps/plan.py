"""The plan of a sweep: its runs and their states."""

import hashlib
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from omegaconf import DictConfig, OmegaConf

from ganforge.core.checks import check_nodes, check_options
from ganforge.core.config import quoted
from ganforge.core.config_files import own_folders
from ganforge.core.errors import GanforgeError
from ganforge.core.secrets import masked_words
from ganforge.core.settings import record_settings
from ganforge.core.trust import trusting
from ganforge.runs.folder import RunFolder
from ganforge.runs.start import RESUME_WORDS, makes_longer, place_of

if TYPE_CHECKING:
    from hydra.core.config_loader import ConfigLoader

__all__ = ["Job", "name_of", "plan"]

_T = TypeVar("_T")


@dataclass(frozen=True)
class Job:
    """One combination of a sweep's values.

    Attributes:
        label: the values in which it differs from the others, such as ``model=dcgan seed=1``.
        overrides: everything that composes it.
        folder: where it is, or will be.
        state: what its folder meant when the sweep began: ``todo``, ``skipped`` (finished before), ``failed`` (before,
            and not to be repeated), ``running`` (in another process) or ``duplicate`` (of an earlier job).
        note: a sentence on the state.
        before: its folder's ``run.json`` when the sweep began.
    """

    label: str
    overrides: tuple[str, ...]
    folder: Path
    state: str
    note: str = ""
    before: Mapping[str, object] = field(default_factory=dict)

    def has_begun(self) -> bool:
        """Whether the run has started since the sweep began: an earlier life of it may have left a state, too."""
        now = RunFolder(self.folder).status()
        return any(now.get(key) != self.before.get(key) for key in ("started", "host", "pid", "process_start"))


def plan(loader: "ConfigLoader", config: DictConfig, arguments: Sequence[str]) -> list[Job]:
    """Compose and check every combination, so that a wrong one stops the sweep before it starts; read the folders.

    Args:
        loader: Hydra's configuration loader.
        config: the configuration that Hydra composed for the sweep as a whole.
        arguments: the overrides, some with several values.

    Raises:
        GanforgeError: for a value of the wrong kind, a range that cannot be enumerated, or a run that
            ``resume=extend`` does not find.
    """
    from hydra.core.hydra_config import HydraConfig

    jobs: list[Job] = []
    outer = HydraConfig.instance().cfg
    try:
        for label, words in _combinations(loader, arguments):
            composed, overrides = loader.load_sweep_config(config, list(words)), words
            HydraConfig.instance().set_config(composed)
            check_options(composed, words)
            record_settings(composed)
            folder = Path(composed.paths.run)
            if composed.resume == "extend":  # in the folder of the shorter run
                folder = _named(label, place_of, composed)
                overrides = (*words, f"paths.run={quoted(str(folder))}")
            duplicate = next((job.label for job in jobs if job.folder == folder), None)
            state, note = (
                ("duplicate", f"the same run as {duplicate}") if duplicate else _state(composed, RunFolder(folder))
            )
            if state == "todo":
                with trusting(OmegaConf.select(composed, "trust") or [], own_folders(composed.hydra)):
                    _named(label, check_nodes, composed)
            jobs.append(Job(label, overrides, folder, state, note, RunFolder(folder).status()))
    finally:
        HydraConfig.instance().cfg = outer
    return jobs


def _named(label: str, function: Callable[[DictConfig], _T], composed: DictConfig) -> _T:
    """Call a function of one run's configuration; its errors name the run."""
    try:
        return function(composed)
    except GanforgeError as error:
        raise GanforgeError(f"{label}: {error}") from error


def _combinations(loader: "ConfigLoader", arguments: Sequence[str]) -> list[tuple[str, tuple[str, ...]]]:
    """Return label and overrides of every combination, the last key's values changing fastest."""
    from hydra.core.override_parser.overrides_parser import OverridesParser

    parsed = OverridesParser.create(config_loader=loader).parse_overrides(list(arguments))
    choices: dict[str, list[str]] = {}
    for override in parsed:
        key = override.get_key_element()
        if override.is_sweep_override() and not override.is_discrete_sweep():
            raise GanforgeError(f"'{override.input_line}' cannot be enumerated: give values, such as {key}=1,2,3.")
        several_values = override.is_sweep_override()
        texts = [f"{key}={value}" for value in override.sweep_string_iterator()] if several_values else []
        choices[key] = texts or [str(override.input_line)]
    several = {key for key, values in choices.items() if len(values) > 1}
    combinations = []
    for values in itertools.product(*choices.values()):
        differing = [value for key, value in zip(choices, values, strict=True) if key in several]
        shown_words = differing or [value for value in values if not value.startswith("hydra")]
        label = " ".join(masked_words(shown_words)) or "defaults"
        # Going on is what repeating a sweep means; a first launch finds nothing to go on from and starts.
        implied = () if "resume" in choices else ("resume=true",)
        combinations.append((label, (*values, *implied)))
    return combinations


def _state(config: DictConfig, folder: RunFolder) -> tuple[str, str]:
    """Decide what a run's folder means for a sweep."""
    writer = folder.is_being_written()
    if writer is not None:
        return "running", f"{writer} trains it"
    if config.force:
        return "todo", ""
    status = folder.status()
    if status.get("state") == "finished" and config.resume in RESUME_WORDS and not makes_longer(config, folder):
        return "skipped", "finished before"
    if status.get("state") == "failed" and not config.retry:
        return "failed", str(status.get("error"))
    return "todo", ""


def name_of(jobs: Sequence[Job]) -> str:
    """Return a name that the same combinations give again: the keys that differ, and a hash of the runs' folders."""
    keys = dict.fromkeys(
        word.partition("=")[0].lstrip("+~") for job in jobs for word in job.label.split() if "=" in word
    )
    digest = hashlib.blake2b("\n".join(sorted(str(job.folder) for job in jobs)).encode(), digest_size=3).hexdigest()
    words = [key.rpartition(".")[2].rpartition("/")[2] for key in keys]
    return "_".join([*words[:4], digest])

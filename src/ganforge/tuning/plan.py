"""The plan of a study: read from the command's configuration, and from the file that its processes share."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from ganforge.core.config import quoted
from ganforge.core.containers import plain
from ganforge.core.errors import GanforgeError
from ganforge.core.files import write_text
from ganforge.core.secrets import MASK, masked, masked_words
from ganforge.core.yaml_files import read_yaml
from ganforge.tuning.space import Space

__all__ = ["BEST_FILE_HEAD", "Plan"]


#: Holds the address of the storage for a study's processes: ``study.yaml`` keeps no password.
_STORAGE = "GANFORGE_STUDY_STORAGE"


#: How the file of the best configuration begins: no other one is replaced.
BEST_FILE_HEAD = "# @package _global_\n# Written by ganforge tune, again after each trial."


def _is_plan(path: Path) -> bool:
    try:
        content = read_yaml(path)
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and {"name", "settings", "signature"} <= content.keys()


@dataclass(frozen=True)
class Plan:
    """A study as configured.

    Attributes:
        name: the study's, in its storage too.
        folder: where its trials and results lie.
        settings: the configuration group ``tune``, resolved, as plain values.
        overrides: what all trials have in common, as typed after ``ganforge train``.
        signature: of the configuration that the trials vary.
    """

    name: str
    folder: Path
    settings: dict[str, Any]  # the group's own keys, each of its type
    overrides: tuple[str, ...]
    signature: str

    @staticmethod
    def of(config: DictConfig, overrides: Sequence[str]) -> "tuple[Plan, Space]":
        """Read and check a composed configuration.

        Raises:
            GanforgeError: for what cannot be tuned.
        """
        settings: dict[str, Any] = plain(config.tune)
        space = Space(settings["space"], overrides)
        folder = Path(config.paths.outputs) / "tune" / str(config.name)
        settings["directions"] = _directions(settings["objective"], space.base.get("protocol"))
        plan = Plan(str(config.name), folder, settings, tuple(overrides), Path(space.base.paths.run).name)
        plan._check(space)
        return plan, space

    @staticmethod
    def read(path: Path) -> "Plan":
        """Return what :meth:`write` wrote."""
        content = read_yaml(path)
        content |= {"folder": Path(content["folder"]), "overrides": tuple(content["overrides"])}
        if MASK in str(content["settings"]["storage"]):
            content["settings"]["storage"] = os.environ.get(_STORAGE, content["settings"]["storage"])
        return Plan(**content)

    def write(self, path: Path) -> None:
        """Write everything to a YAML file."""
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, OmegaConf.to_yaml(OmegaConf.create(self._content())))

    def share(self) -> None:
        """Write :attr:`file`, its secrets masked; processes below this one find the storage's address all the same.

        Raises:
            GanforgeError: if there is a file, or a best configuration, that no study has written.
        """
        if self.file.exists() and not _is_plan(self.file):
            raise GanforgeError(f"'{self.file}' is no study of ganforge's: choose another place with name=NAME.")
        best = self.best_file
        if os.path.lexists(best) and not (best.is_file() and best.read_bytes().startswith(BEST_FILE_HEAD.encode())):
            raise GanforgeError(
                f"'{best}' was not written by a study, and is not replaced: rename it, or choose another place with "
                "name=NAME."
            )
        os.environ[_STORAGE] = self.storage
        content = masked({**self._content(), "overrides": masked_words(list(self.overrides))})
        self.folder.mkdir(parents=True, exist_ok=True)
        write_text(self.file, OmegaConf.to_yaml(OmegaConf.create(content)))

    def _content(self) -> dict[str, object]:
        return {**vars(self), "folder": str(self.folder), "overrides": list(self.overrides)}

    @property
    def file(self) -> Path:
        """Where a study's trials find the plan."""
        return self.folder / "study.yaml"

    @property
    def best_file(self) -> Path:
        """Where the best configuration is written as an experiment."""
        return self.folder / "experiment" / "best.yaml"

    @property
    def objective(self) -> tuple[str, ...]:
        """The values to be optimized, by their names in ``metrics.csv``."""
        return tuple(self.settings["objective"])

    @property
    def directions(self) -> list[str]:
        """For each objective, what is better: ``minimize`` or ``maximize``."""
        return list(self.settings["directions"])

    @property
    def prunes(self) -> bool:
        """Whether a trial may end early."""
        return bool(self.settings["pruner"])

    @property
    def definition(self) -> dict[str, object]:
        """What all workers of a study must agree on."""
        return {"signature": self.signature, **{key: self.settings[key] for key in ("space", "objective", "pruner")}}

    @property
    def storage(self) -> str:
        """The journal's path or the database's address, as ``optuna-dashboard`` takes it."""
        return str(self.settings["storage"] or self.folder / "study.log")

    @property
    def search_words(self) -> list[str]:
        """The words by which Hydra finds the user's own configurations, for command lines that train a trial again."""
        return [word for word in self.overrides if word.startswith("hydra.searchpath=")]

    def trial_folder(self, number: int) -> Path:
        """Return where a trial trains."""
        return self.folder / f"trial_{number:04d}"

    def trial_words(self, space: Space, number: int, values: dict[str, object]) -> list[str]:
        """Return the overrides that train one trial, its place included."""
        place = quoted(str(self.trial_folder(number)))
        return [*self.overrides, *space.words(values), f"paths.run={place}"]

    def _check(self, space: Space) -> None:
        settings = self.settings
        objective = settings["objective"]
        if not objective:
            raise GanforgeError(f"tune.objective must be a list of values' names, [metrics/fid]; got {objective}.")
        if len(objective) > 1 and self.prunes:
            raise GanforgeError("A trial is pruned by one value, and tune.objective has several: add tune/pruner=none.")
        if objective[0].startswith("metrics/") and not space.base.protocol:
            raise GanforgeError(f"{objective[0]} is measured by a protocol, and none is chosen: add protocol=digits.")
        for word in self.overrides:
            if word.startswith(("resume=", "force=", "paths.run=", "~")):
                raise GanforgeError(f"'{word}' has no place in a study, whose trials it would not fit: leave it out.")


def _directions(objective: object, protocols: DictConfig | None) -> list[str]:
    """Return what is better of each objective: metrics say it themselves, speed is maximized, losses are minimized."""
    from ganforge.core.build import build
    from ganforge.metrics.directions import directions

    if not isinstance(objective, list):  # refused when the plan is checked
        return []
    metrics = [build(node, "protocol") for protocol in (protocols or {}).values() for node in protocol.metrics.values()]
    better = {pattern: way for metric in metrics for pattern, way in metric.better.items()}
    ways = {
        **directions(better, map(str, objective)),
        **{str(one): "greater" for one in objective if str(one).startswith("speed/")},
    }
    return ["maximize" if ways.get(str(name)) == "greater" else "minimize" for name in objective]

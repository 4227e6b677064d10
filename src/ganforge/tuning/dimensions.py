"""One dimension of a search space, as ``tune.space`` has it. Imports no torch."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from omegaconf import DictConfig, ListConfig

from ganforge.core.config import groups
from ganforge.core.containers import plain
from ganforge.core.errors import GanforgeError

if TYPE_CHECKING:
    from optuna import Trial

__all__ = ["Dimension", "read_dimension"]

_KEYS = {"path", "low", "high", "log", "choices", "points"}


#: What a trial can choose: what Optuna's storages hold.
Choice = bool | int | float | str | None


@dataclass(frozen=True)
class Dimension:
    """One thing that varies.

    Attributes:
        name: what the study calls it.
        paths: configuration keys, or one group, that take its value.
        low, high: both ends, within the range; not read where there are choices.
        log: draw evenly on a logarithmic scale.
        choices: the values themselves; numbers, truth values, ``None``, or the words one would type.
        whole: only whole numbers.
        points: how many values a grid takes between ``low`` and ``high``.
    """

    name: str
    paths: tuple[str, ...]
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    choices: tuple[Choice, ...] = ()
    whole: bool = False
    points: int = 3

    def suggest(self, trial: "Trial") -> object:
        """Let an ``optuna.Trial`` choose a value; one that it has chosen before stays."""
        if self.choices:
            return trial.suggest_categorical(self.name, self.choices)
        if self.whole:
            return trial.suggest_int(self.name, int(self.low), int(self.high), log=self.log)
        return trial.suggest_float(self.name, self.low, self.high, log=self.log)

    def grid(self) -> list[object]:
        """Return a grid's values, evenly spaced on the dimension's scale."""
        if self.choices:
            return list(self.choices)
        if self.points == 1 or self.low == self.high:
            return [self._rounded(self.low)]
        low, high = (math.log(self.low), math.log(self.high)) if self.log else (self.low, self.high)
        steps = [low + (high - low) * step / (self.points - 1) for step in range(self.points)]
        inner = [math.exp(step) if self.log else step for step in steps[1:-1]]
        return list(dict.fromkeys(self._rounded(value) for value in (self.low, *inner, self.high)))

    def _rounded(self, value: float) -> float | int:
        return round(value) if self.whole else value

    @property
    def extremes(self) -> tuple[object, ...]:
        """Both ends, or every choice."""
        return self.choices or tuple(int(end) if end == int(end) else end for end in (self.low, self.high))

    def contains(self, value: object) -> bool:
        """Whether a trial could choose ``value``."""
        if self.choices:
            return value in self.choices
        return isinstance(value, int | float) and self.low <= value <= self.high

    def words(self, value: object) -> list[str]:
        """Return the overrides that set this value."""
        return [f"{path}={_text(value)}" for path in self.paths]


def read_dimension(name: str, entry: object) -> Dimension:
    """Read an entry by itself.

    Raises:
        GanforgeError: saying what is wrong with it.
    """
    if not isinstance(entry, Mapping | DictConfig):
        raise GanforgeError(f"an entry has a path and low and high, or choices; got '{entry}'.")
    values = plain(entry) if isinstance(entry, DictConfig) else dict(entry)
    unknown = sorted(map(str, set(values) - _KEYS))
    if unknown:
        raise GanforgeError(f"there is no '{unknown[0]}' in an entry; it has: {', '.join(sorted(_KEYS))}.")
    path = values.get("path")
    paths = tuple(path) if isinstance(path, list | tuple) else (path,)
    if not paths or not all(isinstance(one, str) and one for one in paths):
        raise GanforgeError("path must be a configuration key, such as optimizer.generator.lr, or a list of them.")
    points = values.get("points", 3)
    if not isinstance(points, int) or points < 1:
        raise GanforgeError(f"points must be a whole number >= 1, got {points}.")
    if "choices" in values:
        return Dimension(name, paths, choices=_choices(values))
    if set(paths) & groups("train"):
        raise GanforgeError(f"'{paths[0]}' is a group: give choices in place of low and high.")
    low, high = (_number(end, values.get(end)) for end in ("low", "high"))
    log = bool(values.get("log", False))
    return Dimension(name, paths, *_range(low, high, log), log, points=points)


def _choices(values: Mapping[str, object]) -> tuple[Choice, ...]:
    choices = values["choices"]
    if not isinstance(choices, list) or not choices:
        raise GanforgeError(f"choices must be a list with something in it, got '{choices}'.")
    return tuple(_text(choice) if isinstance(choice, list | dict) else choice for choice in choices)


def _number(name: str, value: object) -> float | int:
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        raise GanforgeError(f"{name} must be a number, got '{'nothing' if value is None else value}'.")
    return value


def _range(low: float, high: float, log: bool) -> tuple[float, float]:
    if low > high:
        raise GanforgeError(f"low ({low:g}) is greater than high ({high:g}): exchange them.")
    if log and low <= 0:
        raise GanforgeError(f"log: true needs low > 0, got {low:g}.")
    return float(low), float(high)


def _text(value: object) -> str:
    """Return a value as one would type it after the equals sign; a text is what would be typed already."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict | DictConfig):
        return "{" + ",".join(f"{key!s}:{_text(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list | tuple | ListConfig):
        return "[" + ",".join(map(_text, value)) + "]"
    return json.dumps(value)

"""The search space: what may vary, and what a trial's choice means as words on the command line. Imports no torch."""

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, TypeVar

from omegaconf import DictConfig, ListConfig, OmegaConf

from ganforge.core.checks import check_nodes, check_options
from ganforge.core.config import compose, groups
from ganforge.core.errors import GanforgeError
from ganforge.core.messages import error_message

__all__ = ["Dimension", "Space"]

_T = TypeVar("_T")
_KEYS = {"path", "low", "high", "log", "choices", "points"}


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
    choices: tuple[object, ...] = ()
    whole: bool = False
    points: int = 3

    def suggest(self, trial: Any) -> Any:
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


class Space:
    """All dimensions, checked against the configuration that they vary.

    Args:
        entries: ``tune.space``.
        overrides: what else the trials have in common, as typed after ``ganforge train``.

    Raises:
        GanforgeError: naming the dimension and what is wrong with it.
    """

    def __init__(self, entries: Mapping[str, object], overrides: Sequence[str] = ()) -> None:
        if not entries:
            raise GanforgeError("tune.space is empty: there is nothing to tune; see conf/tune/space/default.yaml.")
        self.overrides = tuple(overrides)
        self.base = compose(overrides)
        read = [_named(name, _read, name, entry) for name, entry in entries.items()]
        try:
            ends = self._try_together(read)
        except Exception:
            for dimension in read:  # which one is it?
                _named(dimension.name, self._try, dimension)
            raise
        self.dimensions = tuple(_named(dimension.name, self._typed, dimension) for dimension in read)
        for config in ends:
            self._check_nodes(config)

    def __iter__(self) -> Iterator[Dimension]:
        return iter(self.dimensions)

    def words(self, values: Mapping[str, object]) -> list[str]:
        """Return the overrides of one point of the space; values by the dimensions' names."""
        return [word for dimension in self for word in dimension.words(values[dimension.name])]

    def default(self) -> dict[str, object] | None:
        """Return the point that the configuration itself is at; ``None`` if it lies outside the space."""
        values = {dimension.name: self._now(dimension.paths[0]) for dimension in self}
        inside = all(dimension.contains(values[dimension.name]) for dimension in self)
        return values if inside and not any(self._disagree(dimension) for dimension in self) else None

    def grid(self) -> list[dict[str, object]]:
        """Return every point of the grid."""
        names = [dimension.name for dimension in self]
        return [dict(zip(names, values, strict=True)) for values in product(*(one.grid() for one in self))]

    def _disagree(self, dimension: Dimension) -> bool:
        return len({repr(self._now(path)) for path in dimension.paths}) > 1

    def _now(self, path: str) -> object:
        if path in groups("train"):
            typed = [word.partition("=")[2] for word in self.overrides if word.partition("=")[0] == path]
            return typed[-1] if typed else None
        return OmegaConf.select(self.base, path)

    def _try_together(self, dimensions: Sequence[Dimension]) -> list[DictConfig]:
        """Compose with everything that may be chosen, as few times as that takes."""
        composed: list[DictConfig] = []
        for number in range(max(len(dimension.extremes) for dimension in dimensions)):
            values = [(one, one.extremes[min(number, len(one.extremes) - 1)]) for one in dimensions]
            words = [*self.overrides, *(word for dimension, value in values for word in dimension.words(value))]
            composed.append(compose(words))
            check_options(composed[-1], words)
        return composed

    def _check_nodes(self, config: DictConfig) -> None:
        try:
            check_nodes(config)
        except GanforgeError as error:
            named = [one.name for one in self.dimensions if str(error).startswith(one.paths)]
            raise GanforgeError(f"tune.space.{named[0]}: {error}" if named else str(error)) from error

    def _try(self, dimension: Dimension) -> None:
        for value in dimension.extremes:
            words = [*self.overrides, *dimension.words(value)]
            try:
                check_options(compose(words), words)
            except Exception as error:
                raise GanforgeError(
                    f"{error_message(error, words)} ('~tune.space.{dimension.name}' leaves it out.)"
                ) from error

    def _typed(self, dimension: Dimension) -> Dimension:
        """Settle whether only whole numbers are meant, from what the configuration has at the path now."""
        now = [OmegaConf.select(self.base, path) for path in dimension.paths if path not in groups("train")]
        numbers = [value for value in now if isinstance(value, int | float) and not isinstance(value, bool)]
        if dimension.choices:
            _check_choices(dimension, now, numbers)
            return dimension
        if len(numbers) < len([value for value in now if value is not None]):
            raise GanforgeError(f"'{dimension.paths[0]}' takes no number: give choices in place of low and high.")
        ends_are_whole = dimension.low == int(dimension.low) and dimension.high == int(dimension.high)
        whole = bool(numbers) and all(isinstance(value, int) for value in numbers)
        if whole and not ends_are_whole:
            raise GanforgeError(
                f"'{dimension.paths[0]}' takes whole numbers, and {dimension.low:g} to {dimension.high:g} is not "
                "between two of them: round low and high."
            )
        return Dimension(**{**vars(dimension), "whole": whole})


def _check_choices(dimension: Dimension, now: list[Any], numbers: list[Any]) -> None:
    for choice in dimension.choices if now and len(numbers) == len(now) else ():
        if not isinstance(choice, int | float) or isinstance(choice, bool):
            raise GanforgeError(f"'{dimension.paths[0]}' takes a number, and the choice '{choice}' is none.")


def _named(name: str, function: Callable[..., _T], *arguments: Any) -> _T:
    """Call a function; its errors name the entry ``name``."""
    try:
        return function(*arguments)
    except GanforgeError as error:
        raise GanforgeError(f"tune.space.{name}: {error}") from error


def _read(name: str, entry: object) -> Dimension:
    """Read an entry by itself."""
    if not isinstance(entry, Mapping | DictConfig):
        raise GanforgeError(f"an entry has a path and low and high, or choices; got '{entry}'.")
    values = dict(OmegaConf.to_container(entry, resolve=True) if isinstance(entry, DictConfig) else entry)  # type: ignore[arg-type]
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
    low, high, log = values.get("low"), values.get("high"), bool(values.get("log", False))
    return Dimension(name, paths, *_range(low, high, log), log, points=points)


def _choices(values: Mapping[str, object]) -> tuple[object, ...]:
    choices = values["choices"]
    if not isinstance(choices, list) or not choices:
        raise GanforgeError(f"choices must be a list with something in it, got '{choices}'.")
    return tuple(_text(choice) if isinstance(choice, list | dict) else choice for choice in choices)


def _range(low: Any, high: Any, log: bool) -> tuple[float, float]:
    for name, value in (("low", low), ("high", high)):
        if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
            raise GanforgeError(f"{name} must be a number, got '{'nothing' if value is None else value}'.")
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

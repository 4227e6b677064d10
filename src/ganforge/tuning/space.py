"""The search space: what may vary, and what a trial's choice means as words on the command line. Imports no torch."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product
from typing import ParamSpec, TypeVar

from omegaconf import DictConfig, OmegaConf

from ganforge.core.checks import check_nodes, check_options
from ganforge.core.config import compose, groups
from ganforge.core.errors import GanforgeError
from ganforge.core.messages import error_message
from ganforge.tuning.dimensions import Dimension, read_dimension

__all__ = ["Space"]

_P = ParamSpec("_P")
_T = TypeVar("_T")


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
        read = [_named(name, read_dimension, name, entry) for name, entry in entries.items()]
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


def _check_choices(dimension: Dimension, now: Sequence[object], numbers: Sequence[object]) -> None:
    for choice in dimension.choices if now and len(numbers) == len(now) else ():
        if not isinstance(choice, int | float) or isinstance(choice, bool):
            raise GanforgeError(f"'{dimension.paths[0]}' takes a number, and the choice '{choice}' is none.")


def _named(name: str, function: Callable[_P, _T], *arguments: _P.args, **options: _P.kwargs) -> _T:
    """Call a function; its errors name the entry ``name``."""
    try:
        return function(*arguments, **options)
    except GanforgeError as error:
        raise GanforgeError(f"tune.space.{name}: {error}") from error

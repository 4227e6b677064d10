"""Type annotations in words, for sentences about values that do not match them. Imports no torch."""

import collections.abc
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, TypeGuard

__all__ = [
    "MAPPINGS",
    "SCALARS",
    "SEQUENCES",
    "UNIONS",
    "Bounds",
    "Count",
    "Fraction",
    "FractionBelowOne",
    "NonNegative",
    "Positive",
    "PositiveFraction",
    "ProperFraction",
    "Whole",
    "describe",
    "is_class",
    "parts",
    "shown",
]

#: What can be typed as one word, and what that is called: one, and several.
SCALARS: dict[object, tuple[str, str]] = {
    bool: ("true or false", "truth values"),
    int: ("a whole number", "whole numbers"),
    float: ("a number", "numbers"),
    str: ("text", "texts"),
    types.NoneType: ("null", "nulls"),
}
UNIONS: tuple[object, ...] = (typing.Union, types.UnionType)
MAPPINGS: tuple[object, ...] = (collections.abc.Mapping, dict)
SEQUENCES: tuple[object, ...] = (collections.abc.Sequence, collections.abc.Collection, collections.abc.Iterable, list)

_LONGEST = 60


@dataclass(frozen=True)
class Bounds:
    """Limits of a number, as in ``Annotated[int, Bounds(at_least=1)]``."""

    at_least: float | None = None
    above: float | None = None
    at_most: float | None = None
    below: float | None = None

    def __contains__(self, value: float) -> bool:
        low = (self.at_least is None or value >= self.at_least) and (self.above is None or value > self.above)
        return low and (self.at_most is None or value <= self.at_most) and (self.below is None or value < self.below)

    def __str__(self) -> str:
        limits = (
            (">=", self.at_least),
            ("greater than", self.above),
            ("at most", self.at_most),
            ("less than", self.below),
        )
        return " and ".join(f"{word} {limit:g}" for word, limit in limits if limit is not None)


#: How many of something there are; :data:`Whole` where there may be none.
Count = Annotated[int, Bounds(at_least=1)]
Whole = Annotated[int, Bounds(at_least=0)]
Positive = Annotated[float, Bounds(above=0)]
NonNegative = Annotated[float, Bounds(at_least=0)]
#: Numbers in [0, 1], in (0, 1], in [0, 1), and in (0, 1).
Fraction = Annotated[float, Bounds(at_least=0, at_most=1)]
PositiveFraction = Annotated[float, Bounds(above=0, at_most=1)]
FractionBelowOne = Annotated[float, Bounds(at_least=0, below=1)]
ProperFraction = Annotated[float, Bounds(above=0, below=1)]


def parts(hint: object) -> tuple[object, tuple[object, ...]]:
    """Return what an annotation is of, such as ``list``, and its arguments."""
    return typing.get_origin(hint) or hint, typing.get_args(hint)


def describe(hint: object) -> str:
    """Return what an annotation asks for, in words that follow "must be"."""
    kind, arguments = parts(hint)
    if kind is typing.Annotated:
        return " ".join([describe(arguments[0]), *(str(one) for one in arguments[1:] if isinstance(one, Bounds))])
    if kind is typing.Literal:
        return ("one of " if len(arguments) > 1 else "") + ", ".join(map(_plain, arguments))
    if kind in UNIONS:
        return " or ".join(dict.fromkeys(map(describe, _writable(arguments))))
    if kind in MAPPINGS:
        return f"a mapping of names to {_several(arguments[1] if arguments else Any)}"
    if kind in SEQUENCES or kind is tuple:
        return _describe_list(arguments, fixed=kind is tuple and ... not in arguments)
    if kind is collections.abc.Callable:
        return "a function (a mapping with _target_)"
    if is_class(hint):
        return f"a {hint.__name__} (a mapping with _target_)"
    return SCALARS[kind][0] if kind in SCALARS else "anything"


def is_class(hint: object) -> TypeGuard[type]:
    """Whether an annotation is a class, for which only a mapping with ``_target_`` can stand."""
    if not isinstance(hint, type) or hint in (Any, object):
        return False
    return hint not in SCALARS and parts(hint)[0] not in (*MAPPINGS, *SEQUENCES, tuple)


def shown(value: object) -> str:
    """Return a value in one line, as a configuration would show it."""
    text = f"'{_plain(value)}'" if isinstance(value, str) else _plain(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


def _describe_list(arguments: tuple[object, ...], fixed: bool) -> str:
    number = f"{len(arguments)} " if fixed and arguments else ""
    return f"a list of {number}{_several(arguments[0] if arguments else Any)}"


def _several(hint: object) -> str:
    if hint in (Any, object):
        return "values"
    kind, arguments = parts(hint)
    if kind in SCALARS:
        return SCALARS[kind][1]
    typed = [one for one in arguments if one in SCALARS] if kind in UNIONS else []
    return SCALARS[typed[0]][1] if len(typed) == 1 else f"values, each {describe(hint)}"


def _writable(members: tuple[object, ...]) -> list[object]:
    """Leave out classes, such as a tensor, where a union has something that can simply be typed."""
    typed = [one for one in members if not is_class(one) and one is not types.NoneType]
    return [one for one in members if not (typed and is_class(one))]


def _plain(value: object) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_plain, value))}]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_plain(one)}" for key, one in value.items()) + "}"
    return " ".join(str(value).split())

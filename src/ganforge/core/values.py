"""Whether a value from a configuration is what a type annotation asks for: the one source of types. Imports no torch.

Signatures already say what every class takes, for mypy; a schema beside them (OmegaConf's structured configs or
pydantic's models) would say it twice. Neither library reads them as they are: OmegaConf's nodes know no literals or
bounds and few unions; pydantic's strict mode refuses lists where tuples are wanted, does not know that a mapping with
``_target_`` stands for an object, and has a paragraph for each member of a union. So annotations are read here:
strictly (no truth values or fractions for whole numbers, nothing infinite), but for what cannot be misunderstood (2.0
for 2, one value for a list of one, a number for text).
"""

import collections.abc
import math
import pkgutil
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import TypeGuard

from ganforge.core.annotations import MAPPINGS, SEQUENCES, UNIONS, Bounds, describe, is_class, parts, shown

__all__ = ["Mismatch", "fit", "is_node"]


class Mismatch(Exception):  # noqa: N818 - who knows the key makes the sentence
    """A value that is not what its annotation asks for.

    Attributes:
        wanted: what the annotation asks for, in words.
        got: the value, as a configuration would show it.
        path: where in the value it is: keys and positions.
    """

    def __init__(self, wanted: str, got: str) -> None:
        super().__init__(f"must be {wanted}, got {got}")
        self.wanted, self.got = wanted, got
        self.path: tuple[str, ...] = ()


def is_node(value: object) -> TypeGuard[Mapping[str, object]]:
    """Whether a plain value stands for an object that is still to be built."""
    return isinstance(value, Mapping) and "_target_" in value


def fit(value: object, hint: object) -> object:
    """Return a plain value as an annotation asks for it.

    Args:
        value: what a configuration holds: numbers, texts, lists, mappings; one with ``_target_`` stands for an object.
        hint: an annotation; what a configuration cannot be checked against (``Any``, a type variable) takes anything.

    Raises:
        Mismatch: if it is something else.
    """
    kind, arguments = parts(hint)
    if kind in _COMPOUND:
        return _COMPOUND[kind](value, arguments)
    if kind not in _FITTING and not is_class(hint):
        return value
    if is_node(value) and kind is not types.NoneType:
        return _object(value, hint) if is_class(hint) else value
    fitted = _FITTING[kind](value) if kind in _FITTING else NotImplemented
    if fitted is NotImplemented:
        raise _mismatch(hint, value)
    return fitted


def _mismatch(hint: object, value: object) -> Mismatch:
    return Mismatch(describe(hint), shown(value))


def _whole(value: object) -> object:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if type(value) is int else NotImplemented


def _number(value: object) -> object:
    if isinstance(value, int | float) and type(value) in (int, float) and math.isfinite(value):
        return value
    return NotImplemented


def _text(value: object) -> object:
    return str(value) if type(value) is int else value if isinstance(value, str) else NotImplemented


_FITTING: dict[object, Callable[[object], object]] = {
    bool: lambda value: value if isinstance(value, bool) else NotImplemented,
    int: _whole,
    float: _number,
    str: _text,  # a name such as 2024 is read as a number
    types.NoneType: lambda value: value if value is None else NotImplemented,
}


def _object(node: Mapping[str, object], kind: type) -> object:
    """Take a node whose class is one of ``kind``; protocols, and what a function returns, cannot be known before."""
    try:
        target = pkgutil.resolve_name(str(node["_target_"]))
        fits = not isinstance(target, type) or bool(node.get("_partial_")) or issubclass(target, kind)
    except (ImportError, AttributeError, ValueError, TypeError):
        return node
    if not fits:
        raise Mismatch(f"a {kind.__name__}", f"a {target.__name__}")
    return node


def _bounded(value: object, arguments: tuple[object, ...]) -> object:
    try:
        fitted = fit(value, arguments[0])
    except Mismatch as error:
        raise _mismatch(typing.Annotated[arguments], value) from error
    limits = [one for one in arguments[1:] if isinstance(one, Bounds)]
    if isinstance(fitted, int | float) and type(fitted) in (int, float) and any(fitted not in one for one in limits):
        raise _mismatch(typing.Annotated[arguments], value)
    return fitted


def _literal(value: object, arguments: tuple[object, ...]) -> object:
    if is_node(value) or any(type(value) is type(one) and value == one for one in arguments):
        return value
    raise _mismatch(typing.Literal[arguments], value)


def _union(value: object, arguments: tuple[object, ...]) -> object:
    """Take the member that has the value as it is, else the first that can be made of it."""
    fitted, errors = [], []
    for member in arguments:
        try:
            fitted.append(fit(value, member))
        except Mismatch as error:
            errors.append(error)
    if fitted:
        unchanged = [one for one in fitted if type(one) is type(value) and one == value]
        return (unchanged or fitted)[0]
    inside = [error for error in errors if error.path or is_node(value)]
    raise inside[0] if inside else _mismatch(typing.Union[arguments], value)  # noqa: UP007


def _sequence(value: object, arguments: tuple[object, ...]) -> object:
    """Take a list, or one value of its kind for a list of one."""
    element = arguments[0] if arguments else typing.Any
    if isinstance(value, list | tuple):
        return _each(value, [element] * len(value))
    if is_node(value):
        return value
    try:
        if value is not None and not isinstance(value, Mapping):
            return [fit(value, element)]
    except Mismatch:
        pass
    raise _mismatch(types.GenericAlias(collections.abc.Sequence, (element,)), value)


def _tuple(value: object, arguments: tuple[object, ...]) -> object:
    if not arguments or ... in arguments:
        return _sequence(value, arguments[:1])
    if is_node(value):
        return value
    if not isinstance(value, list | tuple) or len(value) != len(arguments):
        raise _mismatch(types.GenericAlias(tuple, arguments), value)
    fitted = _each(value, arguments)
    if all(float in (one, *typing.get_args(one)) for one in arguments):  # torch.optim refuses betas=(0, 0.9)
        return [float(one) if type(one) is int else one for one in fitted]
    return fitted


def _each(values: Sequence[object], hints: Sequence[object]) -> list[object]:
    return [_within(str(place), *pair) for place, pair in enumerate(zip(values, hints, strict=True))]


def _mapping(value: object, arguments: tuple[object, ...]) -> object:
    if is_node(value):
        return value
    element = arguments[1] if arguments else typing.Any
    if not isinstance(value, Mapping):
        raise _mismatch(types.GenericAlias(collections.abc.Mapping, (str, element)), value)
    return {key: _within(str(key), one, element) for key, one in value.items()}


def _within(place: str, value: object, hint: object) -> object:
    try:
        return fit(value, hint)
    except Mismatch as error:
        error.path = (place, *error.path)
        raise


def _callable(value: object, arguments: tuple[object, ...]) -> object:
    if is_node(value):
        return value
    raise _mismatch(Callable, value)


_COMPOUND: dict[object, Callable[[object, tuple[object, ...]], object]] = {
    typing.Annotated: _bounded,
    typing.Literal: _literal,
    **dict.fromkeys(UNIONS, _union),
    **dict.fromkeys(SEQUENCES, _sequence),
    tuple: _tuple,
    **dict.fromkeys(MAPPINGS, _mapping),
    collections.abc.Callable: _callable,
}

"""Checks of a composed configuration: every value against the annotation of what will take it.

:func:`check_options` is at once and imports nothing heavy. :func:`check_nodes` imports the classes that are about to be
built, and so belongs after everything that can be refused without them.
"""

import difflib
import inspect
import re
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from omegaconf import DictConfig, ListConfig, OmegaConf

from ganforge.core.annotations import FractionBelowOne, NonNegative, shown
from ganforge.core.build import PLACES, check
from ganforge.core.config import default_config
from ganforge.core.containers import plain
from ganforge.core.errors import GanforgeError
from ganforge.core.options import OPTIONS, Section
from ganforge.core.values import Mismatch, fit

__all__ = ["check_nodes", "check_options", "signature_of"]

_REFERENCE = re.compile(r"\$\{([\w.]+)\}")
#: What Hydra reads of a node itself.
_HYDRAS = ("_target_", "_partial_", "_convert_", "_recursive_", "_args_")
#: Nodes that are no one's arguments.
_APART = ("hydra", "machine", "settings", "recipe", "budget")
#: Ranges that torch's optimizers check when they are built, and whose annotations are wider.
_OPTIMIZERS: dict[str, Any] = {
    "lr": NonNegative,
    "eps": NonNegative,
    "weight_decay": NonNegative,
    "momentum": NonNegative,
    "alpha": NonNegative,
    "betas": tuple[FractionBelowOne, FractionBelowOne],
}


def check_options(config: DictConfig, overrides: Sequence[str] = (), name: str = "train") -> None:
    """Check the command's own keys, and that no override is text or a truth value where the default is a number.

    Whole floats and the like are replaced by what they mean.

    Args:
        config: the composed configuration.
        overrides: what the user typed after the command.
        name: the primary configuration's.

    Raises:
        GanforgeError: naming the key, what it must be and what it is.
    """
    checked = _check_section(config, OPTIONS.get(name, Section))
    keys = [override.partition("=")[0].lstrip("+~") for override in overrides]
    suspects = {key: OmegaConf.select(config, key) for key in keys if key not in checked}
    suspects = {key: value for key, value in suspects.items() if isinstance(value, str | bool)}
    defaults = default_config(overrides, name) if suspects else OmegaConf.create()
    for key, value in suspects.items():
        default = OmegaConf.select(defaults, key)
        if isinstance(default, int | float) and not (isinstance(value, bool) and isinstance(default, bool)):
            kind = "true or false" if isinstance(default, bool) else "a number"
            raise GanforgeError(f"{key} must be {kind} (default {shown(default)}), got {shown(value)}.")


def check_nodes(config: DictConfig) -> None:
    """Check every node with a ``_target_`` against its signature: names, types, what is missing.

    Whole floats, one value for a list of one, and the like are replaced by what they mean.

    Args:
        config: a composed configuration, its interpolations resolved or not, or a part of one.

    Raises:
        GanforgeError: naming the key, what it must be and what it is.
    """
    for place in PLACES:  # nothing is imported that may not be built
        if config.get(place) is not None:
            check(config[place], place)
    for key, node in _nodes(config):
        _check_node(config, key, node)


class Signature(NamedTuple):
    """What a class or function takes.

    Attributes:
        hints: annotations by the parameters' names; ``Any`` where there is none.
        required: those without a default; a subclass may give its bases theirs.
        open: whether it takes names that are not listed.
    """

    hints: Mapping[str, object]
    required: tuple[str, ...]
    open: bool


@cache
def signature_of(target: Callable[..., object]) -> Signature:
    """Return a target's signature; what a constructor passes on as ``**options`` is its next base's."""
    bases = target.__mro__[:-1] if inspect.isclass(target) else ()
    constructors = [base.__dict__["__init__"] for base in bases if "__init__" in base.__dict__]
    functions = constructors or [target]
    narrowed = _OPTIMIZERS if target.__module__.startswith("torch.optim.") else {}
    hints: dict[str, object] = {}
    required: list[str] = []
    for function in functions:
        try:
            parameters = list(inspect.signature(function).parameters.values())[bool(constructors) :]
        except ValueError:  # written in C
            return Signature(hints, (), True)
        annotations = _annotations(function)
        for one in parameters:
            if one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD) and one.name not in hints:
                hints[one.name] = narrowed.get(one.name, annotations.get(one.name, Any))
                required += [one.name] if one.default is one.empty and function is functions[0] else []
        if not any(one.kind is one.VAR_KEYWORD for one in parameters):
            return Signature(hints, tuple(required), False)
    return Signature(hints, tuple(required), True)


def _annotations(function: Callable[..., object]) -> dict[str, object]:
    try:
        return typing.get_type_hints(function, include_extras=True)
    except (NameError, TypeError, AttributeError):  # names that are imported for type checkers alone
        return {}


def _check_section(config: DictConfig, section: type[Section], prefix: str = "") -> list[str]:
    """Check the keys of a section and of those in it; return those that have a type of their own."""
    hints = typing.get_type_hints(section, include_extras=True)
    node = OmegaConf.select(config, prefix.removesuffix(".")) if prefix else config
    if not isinstance(node, DictConfig):
        raise GanforgeError(f"{prefix.removesuffix('.')} is a group of keys, got {shown(node)}: set {prefix}KEY=VALUE.")
    checked: list[str] = []
    for key in map(str, node):
        name, hint = f"{prefix}{key}", hints.get(key, Any)
        if key not in hints and not section.open:
            raise GanforgeError(f"There is no '{name}'{_nearest(key, hints)}")
        if inspect.isclass(hint) and issubclass(hint, Section):
            checked += _check_section(config, hint, f"{name}.")
        elif hint is not Any and not OmegaConf.is_missing(node, key):
            _check_value(config, name, hint)
            checked.append(name)
    return checked


def _nodes(config: DictConfig | ListConfig, prefix: str = "") -> Iterator[tuple[str, DictConfig]]:
    """Yield every node with a ``_target_`` and its key, where it is written: what refers to it is the same one."""
    keys: Any = range(len(config)) if isinstance(config, ListConfig) else [key for key in config if key not in _APART]
    if isinstance(config, DictConfig) and "_target_" in config:
        yield prefix.removesuffix("."), config
    for key in sorted(keys, key=lambda key: key == "model"):  # where interpolations are resolved it repeats the others
        if OmegaConf.is_missing(config, key) or OmegaConf.is_interpolation(config, key):
            continue
        child = config[key]
        if isinstance(child, DictConfig | ListConfig):
            yield from _nodes(child, f"{prefix}{key}.")


def _check_node(config: DictConfig, key: str, node: DictConfig) -> None:
    target = _located(key, node)
    taken = signature_of(target)
    for name in map(str, node):
        if name in _HYDRAS or OmegaConf.is_missing(node, name):
            continue
        if name in taken.hints:
            _check_value(config, f"{key}.{name}".lstrip("."), taken.hints[name])
        elif not taken.open:
            raise GanforgeError(f"{key} has no '{name}' ({target.__qualname__}){_nearest(name, taken.hints)}")
    missing = [name for name in taken.required if name not in node]
    if missing and not node.get("_partial_") and "_args_" not in node:
        raise GanforgeError(f"{key} needs a '{missing[0]}' ({target.__qualname__}): add {key}.{missing[0]}=VALUE.")


def _located(key: str, node: DictConfig) -> Callable[..., object]:
    """Import a node's target."""
    from hydra.utils import get_object

    path = str(node._target_)
    try:
        target: object = get_object(path)  # as Hydra does: a package's function may bear the name of its module
    except (ImportError, AttributeError, ValueError) as error:
        raise GanforgeError(f"{key}._target_: there is no '{path}' ({error}).") from error
    if not callable(target):
        raise GanforgeError(f"{key}._target_ must be a class or a function, and '{path}' is neither.")
    return target


def _check_value(config: DictConfig, key: str, hint: object) -> None:
    """Check one value, and put in its place what it means."""
    value = OmegaConf.select(config, key)
    given = OmegaConf.to_container(value, resolve=True) if isinstance(value, DictConfig | ListConfig) else value
    try:
        fitted = fit(given, hint)
    except Mismatch as mismatch:
        place = ".".join([_written(config, key), *mismatch.path])
        raise GanforgeError(f"{place} must be {mismatch.wanted}, got {mismatch.got}.") from mismatch
    if repr(fitted) != repr(given):
        OmegaConf.update(config, _written(config, key), fitted)


def _written(config: DictConfig, key: str) -> str:
    """Return the key at which a value is written, which others refer to."""
    for _ in range(10):
        parent, _, last = key.rpartition(".")
        node = OmegaConf.select(config, parent) if parent else config
        if not isinstance(node, DictConfig) or not OmegaConf.is_interpolation(node, last):
            break
        match = _REFERENCE.fullmatch(str(plain(node, resolve=False)[last]))
        if match is None:
            break
        key = match[1]
    return key


def _nearest(name: str, names: Mapping[str, object]) -> str:
    near = difflib.get_close_matches(name, list(names), 2, 0.6)
    return f"; did you mean {' or '.join(near)}?" if near else f": it takes {', '.join(names) or 'none'}."

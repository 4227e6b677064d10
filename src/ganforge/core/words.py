"""What a person types after a command, made ready for Hydra: options first, and values that its grammar can read."""

import difflib
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ganforge.core.config import quoted
from ganforge.core.errors import GanforgeError

if TYPE_CHECKING:
    from hydra.core.override_parser.types import Override

__all__ = ["readable", "split_options"]

_FLAGS = ("--help", "-h", "--hydra-help", "--resolve", "--run", "-r", "--multirun", "-m", "--version")
_WITH_VALUE = ("--config-dir", "-cd", "--config-name", "-cn", "--config-path", "-cp", "--package", "-p", "--cfg", "-c")
_INFO = ("--info", "-i")
_INFO_CHOICES = ("all", "config", "defaults", "defaults-tree", "plugins", "searchpath")
_CFG_CHOICES = ("job", "hydra", "all")
#: Keys of files and folders: whatever they are given is text, even ``3``, ``[a]`` or ``a,b``.
_PLACES = re.compile(
    r"(run|checkpoint|images|real|output|resume)|paths\.\w+|tune\.storage|"
    r"(data|logger|callbacks)\.(\w+\.)*(path|root|folder|cache|csv)"
)


def split_options(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the options, each with its value behind it, and the other words: Hydra wants them in that order.

    Raises:
        GanforgeError: for an option that there is not, or one without its value.
    """
    options: list[str] = []
    others: list[str] = []
    remaining = list(words)
    while remaining:
        word = remaining.pop(0)
        if not word.startswith("-"):
            others.append(word)
            continue
        name, has_value, value = word.partition("=")
        options.append(word)
        if name in _WITH_VALUE and not has_value:
            value = remaining.pop(0) if remaining else ""
            options.append(value)
        elif name in _INFO and remaining[:1] and remaining[0] in _INFO_CHOICES:
            options.append(remaining.pop(0))
        _check_option(name, value)
    return options, others


def _check_option(name: str, value: str) -> None:
    known = (*_FLAGS, *_WITH_VALUE, *_INFO)
    if name not in known:
        near = difflib.get_close_matches(name, known, 1, 0.6)
        hint = f"did you mean {near[0]}?" if near else "values are written key=value, options are in ganforge --help."
        raise GanforgeError(f"There is no option '{name}': {hint}")
    if name in _WITH_VALUE and not value:
        raise GanforgeError(f"{name} needs a value after it.")
    if name in ("--cfg", "-c") and value not in _CFG_CHOICES:
        raise GanforgeError(f"{name} shows one of {', '.join(_CFG_CHOICES)}; got '{value}'.")


def readable(words: Sequence[str], several: bool) -> list[str]:
    """Quote the values that Hydra's grammar cannot read as they are, and those of places that it would misread.

    Args:
        words: overrides, as typed.
        several: whether a value may be several, for a sweep.

    Raises:
        GanforgeError: for a value without a key.
    """
    return [_readable(word, several) for word in words]


def _readable(word: str, several: bool) -> str:
    key, equals, value = word.partition("=")
    if equals and not key.strip("+~ "):
        raise GanforgeError(f"'{word}' is not of the form key=value.")
    as_text = f"{key}={quoted(value)}"
    if not equals or not _parsed(as_text):
        return word
    override = _parsed(word)
    if override is None:
        return as_text
    if _PLACES.fullmatch(key.lstrip("+")) is None or (override.is_sweep_override() and several):
        return word
    read = None if override.is_sweep_override() else override.value()
    as_typed = value in ("null", "true", "false") or value[:1] in ("'", '"') or read == value
    return word if as_typed else as_text


def _parsed(word: str) -> "Override | None":
    """Return Hydra's reading of a word; ``None`` if it has none."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    try:
        return OverridesParser.create().parse_override(word)
    except HydraException:
        return None

"""Checks of a mode's arguments: one sentence each, by the name on the command line."""

from collections.abc import Sequence

from ganforge.core.errors import GanforgeError
from ganforge.core.extras import install

__all__ = ["above_zero", "one_of", "require_module", "whole"]


def whole(name: str, value: object, least: int = 1, most: int | None = None) -> int:
    """Return ``value`` if it is a whole number in the range; GanforgeError otherwise."""
    if not isinstance(value, int) or isinstance(value, bool) or value < least or (most is not None and value > most):
        limit = f">= {least}" if most is None else f"from {least} to {most}"
        raise GanforgeError(f"{name} must be a whole number {limit}, got '{value}'.")
    return value


def above_zero(name: str, value: object) -> float:
    """Return ``value`` if it is a number above 0; GanforgeError otherwise."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not value > 0:
        raise GanforgeError(f"{name} must be a number above 0, got '{value}'.")
    return float(value)


def one_of(name: str, value: str, allowed: Sequence[str]) -> None:
    """Raise GanforgeError unless ``value`` is among ``allowed``."""
    if value not in allowed:
        raise GanforgeError(f"{name} must be {' or '.join(allowed)}, got '{value}'.")


def require_module(module: str, purpose: str, extra: str) -> None:
    """Raise GanforgeError with the command to type if an optional package is not installed."""
    from importlib.util import find_spec

    if find_spec(module) is None:
        raise GanforgeError(f"{purpose} needs the package {module}: {install(extra)}.")

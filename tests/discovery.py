"""Finding what ganforge ships, so that a new part is held to its contract without a new test."""

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from types import ModuleType

from ganforge.core.config import config_folder


def options(group: str) -> list[str]:
    """Return the options of a config group, found on disk."""
    return sorted(path.stem for path in (config_folder() / group).glob("[!_]*.yaml"))


def together(*groups: str) -> list[list[str]]:
    """Return overrides that choose every option of these groups: their first ones together, the second ones, and so on.

    With what some of them need beside them.
    """
    names = {group: options(group) for group in groups}
    chosen = [
        [f"{group}={found[number]}" for group, found in names.items() if number < len(found)]
        for number in range(max(map(len, names.values())))
    ]
    return [[*words, *_companions(words)] for words in chosen]


def _companions(words: list[str]) -> list[str]:
    points = [] if {"data=grid", "data=ring"}.isdisjoint(words) else ["network=mlp_points"]
    codes = {"model=infogan", "network=dcgan_codes"}.isdisjoint(words)
    return [*points, *([] if codes else ["latent=coded"])]


def classes_in(package: ModuleType) -> Iterator[type]:
    """Yield the classes that a package defines, module by module."""
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        for value in vars(importlib.import_module(module.name)).values():
            if inspect.isclass(value) and value.__module__ == module.name:
                yield value


def concrete(package: ModuleType, base: type) -> list[type]:
    """Return the public subclasses of ``base`` that a package defines and that can be built, by name."""
    found = [kind for kind in classes_in(package) if issubclass(kind, base) and not inspect.isabstract(kind)]
    return sorted((kind for kind in found if not kind.__name__.startswith("_")), key=lambda kind: kind.__name__)

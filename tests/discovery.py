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

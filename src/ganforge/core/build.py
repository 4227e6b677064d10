"""The one way from a configuration to objects: it builds what its place may hold, and nothing else.

A configuration may have been read from a file, perhaps somebody else's. So each place has a list of the rooms whose
classes may stand there; what a room only imports, functions, positional arguments and interpolations that are left
after resolving are refused, at any depth, before anything is imported from outside these rooms. Classes of other
packages are built where the user has named the package; see :mod:`ganforge.core.trust`.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from inspect import isfunction
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf

from ganforge import __version__
from ganforge.core.errors import GanforgeError
from ganforge.core.trust import import_trusted, may_be_trusted, trusted

__all__ = ["PLACES", "Place", "build", "check", "check_run", "foreign_packages", "nodes"]


@dataclass(frozen=True)
class Place:
    """What may be built at one place of a configuration.

    Attributes:
        rooms: modules of ganforge; what they and the modules below them define.
        bases: packages, each with a class of it: the package's own subclasses of that class.
        functions: whether functions may stand there too.
    """

    rooms: tuple[str, ...] = ()
    bases: tuple[tuple[str, str], ...] = ()
    functions: bool = False


_MODEL = ("models", "networks", "losses", "augment", "latents", "conditioning", "ema", "optimizers", "schedules")

#: By the top-level key of a run's configuration or, below, by the key of ``sample.yaml`` or of the group ``tune``.
PLACES = {
    "model": Place(
        tuple(f"ganforge.{room}" for room in _MODEL),
        (("torch.nn", "torch.nn.Module"), ("torch.optim", "torch.optim.Optimizer")),
    ),
    "data": Place(("ganforge.data",)),
    "protocol": Place(("ganforge.metrics",)),
    "callbacks": Place(
        ("ganforge.callbacks", "ganforge.health", "ganforge.metrics", "ganforge.tuning.reports"),
        (("pytorch_lightning.callbacks", "pytorch_lightning.Callback"),),
    ),
    "logger": Place(("ganforge.loggers",), (("pytorch_lightning.loggers", "pytorch_lightning.loggers.Logger"),)),
    "mode": Place(("ganforge.sampling",), functions=True),
    "sampler": Place(bases=(("optuna.samplers", "optuna.samplers.BaseSampler"),)),
    "pruner": Place(bases=(("optuna.pruners", "optuna.pruners.BasePruner"),)),
}

#: Hydra's own keys of a node that may stand in a configuration, and what they may be.
_KEYWORDS: dict[str, tuple[object, ...]] = {
    "_partial_": (True, False),
    "_convert_": ("none", "partial", "object", "all"),
}


def build(node: object, place: str, **options: object) -> Any:
    """Build the object that a node describes, with everything below it.

    Args:
        node: of a composed configuration, or of one that was read from a file.
        place: what it is for, a key of :data:`PLACES`.
        **options: arguments besides those of the node, and Hydra's own such as ``_convert_``.

    Raises:
        GanforgeError: if the node asks for anything that may not stand there.
    """
    from hydra.utils import instantiate

    check(node, place)
    return instantiate(node, **options)


def check(node: object, place: str, source: str = "The configuration") -> None:
    """Refuse a node that asks for anything that may not stand at ``place``; import its classes, and build nothing.

    Args:
        node: see :func:`build`.
        place: see :func:`build`.
        source: what the sentence calls the file.

    Raises:
        GanforgeError: naming what was asked for, and the way out.
    """
    plain = OmegaConf.to_container(node, resolve=True) if isinstance(node, DictConfig | ListConfig) else node
    for found in nodes(plain):
        if isinstance(found, str) and "${" in found:
            raise GanforgeError(f"{source} holds a '${{' at '{place}' that is left after resolving: write the value.")
        if isinstance(found, dict) and "_target_" in found:
            _check_keywords(found, source)
            _check_target(found["_target_"], place, source)


def check_run(config: Mapping[str, object], source: str) -> None:
    """Check every node of a run's configuration for its place; groups of axes are parts of the model."""
    for key, node in config.items():
        check(node, key if key in PLACES else "model", source)


def foreign_packages(config: object) -> list[str]:
    """Return the packages besides ganforge and torch whose classes a configuration names, in order."""
    targets = [str(node["_target_"]) for node in nodes(config) if isinstance(node, Mapping) and "_target_" in node]
    roots = dict.fromkeys(target.partition(".")[0] for target in targets)
    return [root for root in roots if root in trusted()]


def nodes(node: object) -> Iterator[object]:
    """Yield ``node`` and everything below it, keys included."""
    yield node
    below: Iterable[object] = node if isinstance(node, list | ListConfig) else ()
    if isinstance(node, dict | DictConfig):
        yield from node
        below = node.values()
    for value in below:
        yield from nodes(value)


def _check_keywords(node: Mapping[str, object], source: str) -> None:
    for key in node:
        word = str(key)
        if word == "_target_" or not (word.startswith("_") and word.endswith("_")):
            continue
        if word not in _KEYWORDS or node[key] not in _KEYWORDS[word]:
            raise GanforgeError(
                f"{source} asks to build '{node['_target_']}' with {word}={node[key]!r}, which no configuration of "
                "ganforge does: give arguments by their names."
            )


def _check_target(target: object, place: str, source: str) -> None:
    if isinstance(target, str) and target.partition(".")[0] in trusted():
        _check_trusted(target, place, source)
    elif not isinstance(target, str) or not _is_known(target, PLACES[place]):
        raise GanforgeError(f"{source} asks to build '{target}' {_refusal(str(target), place)}")


def _refusal(target: str, place: str) -> str:
    """Return why a target is refused, and the way out."""
    root = target.partition(".")[0]
    if root in ("ganforge", "torch", "pytorch_lightning", "optuna"):
        rooms = ", ".join([*PLACES[place].rooms, *(package for package, _ in PLACES[place].bases)])
        return (
            f"at '{place}', which is none of what ganforge {__version__} builds there (classes of {rooms}): if it is "
            "yours, choose another one; if it is not, build nothing that you have not read."
        )
    if not may_be_trusted(root):
        return "which no configuration of ganforge does: build nothing that you have not read."
    return f"of a package that is not trusted: if '{root}' is yours, add trust=[{root}]; if it is not, read it first."


def _check_trusted(target: str, place: str, source: str) -> None:
    """Import a target of a trusted package, which must be what the package itself defines."""
    root = target.partition(".")[0]
    module, _, name = target.rpartition(".")
    found = getattr(import_trusted(root, module), name, None) if module else None
    own = str(getattr(found, "__module__", "")).partition(".")[0] == root
    if not own or not (isinstance(found, type) or (PLACES[place].functions and isfunction(found))):
        raise GanforgeError(
            f"{source} asks to build '{target}', and the trusted package '{root}' defines no such class: check the "
            "spelling."
        )


def _is_known(target: str, place: Place) -> bool:
    """Whether ``target`` is what one of the place's rooms or packages defines, not merely what it imports."""
    packages = [package for package, _ in place.bases]
    if not _is_below(target, (*place.rooms, *packages)):
        return False
    found = _found(target)
    if place.functions and isfunction(found):
        return _is_below(found.__module__, place.rooms)
    if not isinstance(found, type):
        return False
    if _is_below(found.__module__, place.rooms):
        return True
    kinds = ((package, _found(base)) for package, base in place.bases)
    return any(
        _is_below(found.__module__, (package,)) and isinstance(kind, type) and issubclass(found, kind)
        for package, kind in kinds
    )


def _found(target: str) -> object:
    """Return what Hydra would find under a dotted name; ``None`` where there is nothing."""
    from hydra.utils import get_object

    try:
        return get_object(target)
    except Exception:
        return None


def _is_below(name: str, places: tuple[str, ...]) -> bool:
    """Whether a dotted name is one of ``places`` or lies below it."""
    return f"{name}.".startswith(tuple(f"{place}." for place in places))

"""The configuration: where it lies, how it is composed, and the signature that names a run's folder.

Imports no torch, so that ``--help`` and configuration errors answer at once.
"""

import hashlib
import json
import re
import sys
import warnings
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf, open_dict

__all__ = [
    "MACHINE_KEYS",
    "compose",
    "config_folder",
    "groups",
    "is_of_the_machine",
    "quoted",
    "register_resolvers",
    "signature",
]

#: What a run's result does not depend on: it may change when a run is resumed or repeated elsewhere.
MACHINE_KEYS = (
    "hydra",
    "name",
    "paths",
    "logger",
    "resume",
    "force",
    "retry",
    "requeue",
    "trial",
    "download",
    "trace",
    "trainer.accelerator",
    "trainer.devices",
    "trainer.num_nodes",
    "data.workers",
    "callbacks.progress",
)


def config_folder() -> Path:
    """Return the Hydra root: inside the installed package, or beside ``src`` in a checkout."""
    packaged = Path(__file__).parents[1] / "conf"
    return packaged if packaged.is_dir() else Path(__file__).parents[3] / "conf"


def groups(config: str) -> set[str]:
    """Return the groups in a primary configuration's defaults list, and in those that it is built on."""
    loaded: Any = OmegaConf.load(config_folder() / f"{config}.yaml")
    chosen = {str(key) for entry in loaded.defaults if not isinstance(entry, str) for key in entry}
    bases = [entry for entry in loaded.defaults if isinstance(entry, str) and entry != "_self_"]
    return {key for key in chosen if not key.startswith("override ")}.union(*map(groups, bases))


def _groups_and_options(config: str) -> str:
    """Return a line for each group of a primary configuration, for its help; the user's own options are among them."""
    own = [
        word.partition("=")[2] or following
        for word, following in pairwise([*sys.argv, ""])
        if word.partition("=")[0] in ("--config-dir", "-cd")
    ]
    lines: dict[str, set[str]] = {}
    for folder in (config_folder(), *map(Path, own)):
        for path in folder.glob("*/**/[!_]*.yaml"):
            group = path.parent.relative_to(folder)
            if group.parts[0] in groups(config):
                lines.setdefault(group.as_posix(), set()).add(path.stem)
    return "\n".join(f"{group}: {', '.join(sorted(options))}" for group, options in sorted(lines.items()))


def signature(*, _root_: DictConfig) -> str:
    """Return ten digits that identify what a run computes: a hash of its resolved configuration.

    Keys that depend on the machine alone (devices, logger, paths) do not count, nor do values that point to paths.
    """
    config = OmegaConf.create(_without_paths(OmegaConf.to_container(_root_, resolve=False)))
    for key in MACHINE_KEYS:
        parent, _, last = key.rpartition(".")
        owner = OmegaConf.select(config, parent) if parent else config
        if owner is not None and last in owner:
            del owner[last]
    text = json.dumps(OmegaConf.to_container(config, resolve=True), sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=5).hexdigest()


def is_of_the_machine(key: str) -> bool:
    """Whether a run's result does not depend on a configuration key: devices, logger, paths."""
    return any(key == own or key.startswith(f"{own}.") for own in MACHINE_KEYS)


def _without_paths(node: Any) -> Any:
    """Drop values that refer to machine-only keys, before anything is resolved."""
    if isinstance(node, dict):
        return {key: _without_paths(value) for key, value in node.items() if not _is_path(value)}
    if isinstance(node, list):
        return [_without_paths(value) for value in node if not _is_path(value)]
    return node


def _is_path(value: Any) -> bool:
    return isinstance(value, str) and any(f"${{{key}" in value for key in ("paths.", "download", "ganforge.", "name"))


def register_resolvers() -> None:
    """Make ``${ganforge.signature:}`` and ``${ganforge.groups:NAME}`` known; may be called more than once."""
    OmegaConf.register_new_resolver("ganforge.signature", signature, replace=True)
    OmegaConf.register_new_resolver("ganforge.groups", _groups_and_options, replace=True)
    # Our conf/hydra/launcher bear the names of the plugins' own: they replace them, whole.
    warnings.filterwarnings("ignore", message=r"\s*'hydra/launcher/\w+' is validated against ConfigStore schema")


def quoted(value: str) -> str:
    """Return a value as an override can hold it, whatever is in it: ``~``, spaces, commas, quotes, backslashes."""
    doubled = re.sub(r"(\\+)(?='|\Z)", r"\1\1", value)  # Hydra halves the backslashes before a quote, and no others
    return "'" + doubled.replace("'", r"\'") + "'"


def compose(overrides: Sequence[str] = (), config_name: str = "train") -> DictConfig:
    """Compose a configuration in Python as the command line does, e.g. in a notebook: ``compose(["model=dcgan"])``.

    May be called while a Hydra application runs.
    """
    from hydra import compose as hydra_compose
    from hydra import initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra
    from hydra.core.hydra_config import HydraConfig

    register_resolvers()
    application, settings = GlobalHydra.instance(), HydraConfig.instance()
    outer = application.hydra, settings.cfg
    application.clear()
    try:
        with initialize_config_dir(str(config_folder()), version_base="1.3"):
            config = hydra_compose(config_name, list(overrides), return_hydra_config=True)
            settings.set_config(config)
            with open_dict(config):
                del config["hydra"]
            run = OmegaConf.select(config, "paths.run")
            if run is not None:
                config.paths.run = run  # the signature reads interpolations: not again once some are resolved
            OmegaConf.resolve(config)
    finally:
        application.hydra, settings.cfg = outer
    return config

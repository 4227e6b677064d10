"""The configuration: where it lies, which groups it has, and how it is composed.

Imports no torch, so that ``--help`` and configuration errors answer at once.
"""

import re
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from omegaconf import DictConfig, OmegaConf, open_dict

from ganforge.core.recipes import RESOLVERS
from ganforge.core.settings import record_settings, signature, without_settings
from ganforge.core.workarounds import accept_launchers_of_plugins, files_read_by_name

__all__ = [
    "compose",
    "config_folder",
    "default_config",
    "groups",
    "quoted",
    "register_resolvers",
]


def config_folder() -> Path:
    """Return the Hydra root: inside the installed package, or beside ``src`` in a checkout."""
    packaged = Path(__file__).parents[1] / "conf"
    return packaged if packaged.is_dir() else Path(__file__).parents[3] / "conf"


def groups(config: str) -> set[str]:
    """Return the groups in a primary configuration's defaults list, and in those that it is built on."""
    loaded = OmegaConf.load(config_folder() / f"{config}.yaml")
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
    known = groups(config)
    lines: dict[str, set[str]] = {}
    for folder in (config_folder(), *map(Path, own)):
        for path in folder.glob("*/**/[!_]*.yaml"):
            group = path.parent.relative_to(folder)
            if group.parts[0] in known:
                lines.setdefault(group.as_posix(), set()).add(path.stem)
    return "\n".join(f"{group}: {', '.join(sorted(options))}" for group, options in sorted(lines.items()))


def _keys_with_comments(config: str) -> str:
    """Return a primary configuration's own keys as its file has them, for its help: Hydra would drop the comments."""
    text = (config_folder() / f"{config}.yaml").read_text()
    sections = re.split(r"^(?=\w+:)", text, flags=re.MULTILINE)[1:]  # what is before the first key is about the file
    own = "".join(section for section in sections if not section.startswith(("defaults:", "hydra:")))
    return own.strip().replace("$", "$$")  # Hydra substitutes in what this returns


def register_resolvers() -> None:
    """Register ``${ganforge.signature:}``, those of recipes and of the commands' help; may be called more than once."""
    OmegaConf.register_new_resolver("ganforge.signature", signature, replace=True)
    OmegaConf.register_new_resolver("ganforge.groups", _groups_and_options, replace=True)
    OmegaConf.register_new_resolver("ganforge.keys", _keys_with_comments, replace=True)
    for name, resolver in RESOLVERS.items():
        OmegaConf.register_new_resolver(name, resolver, replace=True)
    accept_launchers_of_plugins()
    files_read_by_name()


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
            record_settings(config, overrides)
            OmegaConf.resolve(config)
    finally:
        application.hydra, settings.cfg = outer
    return config


def default_config(overrides: Sequence[str] = (), config_name: str = "train") -> DictConfig:
    """Compose with only the group choices among what was typed; without any where that fails too."""
    known = groups(config_name)
    chosen = [override for override in overrides if override.partition("=")[0] in known and "," not in override]
    for attempt in (chosen, []):
        try:
            return without_settings(compose(attempt, config_name))
        except Exception:
            continue
    return OmegaConf.create()

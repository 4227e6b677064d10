"""What Hydra calls with a composed configuration. Imports nothing heavy, and travels to a launcher's workers."""

import os
from importlib import import_module
from typing import TYPE_CHECKING

from omegaconf import DictConfig, OmegaConf

from ganforge.core.checks import check_options
from ganforge.core.config import quoted, register_resolvers
from ganforge.core.config_files import check_read, own_folders
from ganforge.core.settings import record_settings
from ganforge.core.trust import trusting
from ganforge.core.workarounds import command_line, run_from

if TYPE_CHECKING:
    from hydra.conf import HydraConf

__all__ = ["HydraTask"]


class HydraTask:
    """A command's function, called by Hydra in this process or, by a launcher, in another one.

    Args:
        target: ``module:function``, imported once the configuration is valid.
        command: the program and the command's name, such as ``["ganforge", "train"]``.
        words: what the user typed after them.

    Attributes:
        failure: what a single run raised. Hydra would print a line of its own first, so it is raised after Hydra.
    """

    def __init__(self, target: str, command: list[str], words: list[str]) -> None:
        self.target, self.command, self.words = target, command, words
        self.failure: Exception | None = None
        self._folder = os.getcwd()

    def __call__(self, config: DictConfig) -> object:
        """Check the configuration, import the function and call it."""
        from hydra.core.hydra_config import HydraConfig
        from hydra.types import RunMode

        hydra = HydraConfig.get()
        several = hydra.mode == RunMode.MULTIRUN
        words = [*_config_folder(self.words), *hydra.overrides.task] if several else self.words
        try:
            check_read(config, hydra)
            check_options(config, hydra.overrides.task, hydra.job.config_name or "train")
            record_settings(config, _composed_from(hydra))
            module, _, function = self.target.partition(":")
            with command_line(*self.command, *words), trusting(_trust(config), own_folders(hydra)):
                return getattr(import_module(module), function)(config)
        except Exception as error:
            if several:
                raise
            self.failure = error
            return {}

    def __setstate__(self, state: dict[str, object]) -> None:
        """Arrive in a worker: before Hydra composes there, it needs the launching process's folder and resolvers."""
        self.__dict__.update(state)
        run_from(self._folder)
        register_resolvers()


def _trust(config: DictConfig) -> list[str]:
    """Return the packages that a configuration names as trusted."""
    return list(OmegaConf.select(config, "trust") or [])


def _composed_from(hydra: "HydraConf") -> list[str]:
    """Return overrides that compose the same again, the user's own folders of configurations included."""
    own = ",".join(quoted(f"file://{folder.resolve()}") for folder in own_folders(hydra))
    return [*hydra.overrides.task, *([f"hydra.searchpath=[{own}]"] if own else [])]


def _config_folder(words: list[str]) -> list[str]:
    """Return the words that add a folder of configurations: a run of a sweep is not composed without them."""
    for position, word in enumerate(words):
        if word in ("--config-dir", "-cd"):
            return words[position : position + 2]
        if word.startswith("--config-dir="):
            return [word]
    return []

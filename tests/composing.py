"""Hydra without its repeated work: half of the quick tests' time was reading ganforge's configurations again.

The shipped files are read and merged once a process for each choice of groups. Values of the command line, checks and
errors are Hydra's own each time, and so is everything where a test brings configurations of its own. Processes that
tests start have Hydra as it is.
"""

import copy
from dataclasses import replace
from typing import Any

from hydra._internal import config_loader_impl
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_repository import ConfigRepository

from ganforge.core.config import config_folder

__all__ = ["merge_once"]


def merge_once() -> None:
    """Let Hydra remember shipped files, the defaults lists that begin with them, and what these merge to."""
    if config_loader_impl.create_defaults_list.__module__ == __name__:
        return
    load = ConfigRepository.load_config
    list_defaults, merge = config_loader_impl.create_defaults_list, ConfigLoaderImpl._compose_config_from_defaults_list
    files: dict[str, Any] = {}
    lists: dict[object, Any] = {}
    merged: dict[str, Any] = {}

    def remembered_file(self: ConfigRepository, config_path: str) -> Any:
        if not _shipped(self):
            return load(self, config_path)
        if config_path not in files:
            files[config_path] = load(self, config_path)
        return copy.deepcopy(files[config_path])

    def remembered_list(
        repo: Any, config_name: str | None, overrides_list: list[Any], prepend_hydra: bool, skip_missing: bool
    ) -> Any:
        def listed(overrides: list[Any]) -> Any:
            return list_defaults(repo, config_name, overrides, prepend_hydra, skip_missing)

        values = [override for override in overrides_list if not _chooses(repo, override)]
        if not _shipped(repo):
            return listed(overrides_list)
        groups = [override for override in overrides_list if override not in values]
        key = (config_name, tuple(override.input_line for override in groups), prepend_hydra, skip_missing)
        if key not in lists:
            lists[key] = listed(groups)
        applied = [override for override in values if not override.is_sweep_override()]
        return replace(lists[key], defaults=copy.deepcopy(lists[key].defaults), config_overrides=applied)

    def remembered_merge(self: ConfigLoaderImpl, defaults: list[Any], repo: Any) -> Any:
        if not _shipped(repo):
            return merge(self, defaults, repo)
        key = repr(defaults)
        if key not in merged:
            merged[key] = merge(self, defaults, repo)
        return copy.deepcopy(merged[key])

    ConfigRepository.load_config = remembered_file
    config_loader_impl.create_defaults_list = remembered_list
    ConfigLoaderImpl._compose_config_from_defaults_list = remembered_merge


def _chooses(repo: Any, override: Any) -> bool:
    """Whether an override chooses options of a group, as Hydra decides it."""
    return repo.group_exists(override.key_or_group) and not isinstance(override.value(), dict)


def _shipped(repo: Any) -> bool:
    """Whether all files that are found are ganforge's: others change while tests run."""
    folders = [source.path for source in repo.get_sources() if source.scheme() == "file"]
    return folders == [str(config_folder())]

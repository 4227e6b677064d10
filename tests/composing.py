"""Hydra without its repeated work: half of the quick tests' time was reading ganforge's configurations again.

The shipped files are read and merged once a process for each choice of groups. Values of the command line, checks and
errors are Hydra's own each time, and so is everything where a test brings configurations of its own. Processes that
tests start have Hydra as it is.
"""

import copy
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

from hydra._internal import config_loader_impl
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_repository import ConfigRepository

from ganforge.core.config import config_folder

__all__ = ["merge_once"]


@cache
def merge_once() -> None:
    """Let Hydra remember shipped files, the defaults lists that begin with them, and what these merge to."""
    ConfigRepository.load_config = _remembering_files(ConfigRepository.load_config)
    config_loader_impl.create_defaults_list = _remembering_lists(config_loader_impl.create_defaults_list)
    ConfigLoaderImpl._compose_config_from_defaults_list = _remembering_merged(
        ConfigLoaderImpl._compose_config_from_defaults_list
    )


def _remembering_files(load: Callable[..., Any]) -> Callable[..., Any]:
    known: dict[str, Any] = {}

    def remembering(repo: Any, config_path: str) -> Any:
        if not _shipped(repo):
            return load(repo, config_path)
        if config_path not in known:
            known[config_path] = load(repo, config_path)
        return copy.deepcopy(known[config_path])

    return remembering


def _remembering_lists(list_defaults: Callable[..., Any]) -> Callable[..., Any]:
    known: dict[object, Any] = {}

    def remembering(repo: Any, config_name: Any, overrides_list: list[Any], **options: bool) -> Any:
        chosen = [override for override in overrides_list if _chooses(repo, override)]
        key = (config_name, tuple(override.input_line for override in chosen), *sorted(options.items()))
        if not _shipped(repo):
            return list_defaults(repo, config_name, overrides_list, **options)
        if key not in known:
            known[key] = list_defaults(repo, config_name, chosen, **options)
        values = [override for override in overrides_list if not (override in chosen or override.is_sweep_override())]
        return replace(known[key], defaults=copy.deepcopy(known[key].defaults), config_overrides=values)

    return remembering


def _remembering_merged(merge: Callable[..., Any]) -> Callable[..., Any]:
    known: dict[str, Any] = {}

    def remembering(loader: Any, defaults: list[Any], repo: Any) -> Any:
        if not _shipped(repo):
            return merge(loader, defaults, repo)
        key = repr(defaults)
        if key not in known:
            known[key] = merge(loader, defaults, repo)
        return copy.deepcopy(known[key])

    return remembering


def _chooses(repo: Any, override: Any) -> bool:
    """Whether an override chooses options of a group, as Hydra decides it."""
    return repo.group_exists(override.key_or_group) and not isinstance(override.value(), dict)


def _shipped(repo: Any) -> bool:
    """Whether all files that are found are ganforge's: others change while tests run."""
    folders = [source.path for source in repo.get_sources() if source.scheme() == "file"]
    return folders == [str(config_folder())]

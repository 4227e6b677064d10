"""YAML files that may be somebody else's: bounded in size and depth, and read without building anything."""

from pathlib import Path
from typing import Any

import yaml
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ganforge.core.errors import first_line
from ganforge.core.files import MOST_DEPTH, read_small

__all__ = ["read_yaml"]


def read_yaml(path: Path) -> Any:
    """Return what a small YAML file holds, as plain values; aliases, which a few lines can make endless, are refused.

    Raises:
        ValueError: if it is no YAML, or larger or more deeply nested than anything that ganforge writes.
        OSError: if it cannot be read.
    """
    text, depth = read_small(path), 0
    try:
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            if isinstance(event, yaml.AliasEvent):
                raise ValueError(f"it holds an alias, *{event.anchor}")
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > MOST_DEPTH:
                raise ValueError("it is nested too deeply")
        return OmegaConf.to_container(OmegaConf.create(text), resolve=False) if text.strip() else None
    except (yaml.YAMLError, OmegaConfBaseException) as error:
        raise ValueError(first_line(error)) from error

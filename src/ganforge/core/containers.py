"""Configurations as plain containers. Imports no torch."""

from omegaconf import DictConfig, OmegaConf

__all__ = ["plain"]


def plain(config: DictConfig, *, resolve: bool = True) -> dict[str, object]:
    """Return a configuration as dictionaries, lists and values, its interpolations resolved or as they are written."""
    container = OmegaConf.to_container(config, resolve=resolve)
    assert isinstance(container, dict)  # of any node that is not missing
    return {str(key): value for key, value in container.items()}

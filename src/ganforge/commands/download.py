"""Fetch what a run needs from the network, for machines that have none."""

from omegaconf import DictConfig

from ganforge.core.checks import check_nodes
from ganforge.core.console import log_to, say

__all__ = ["download"]


def download(config: DictConfig) -> None:
    """Fetch the configuration's dataset and its metrics' weights, and do nothing else."""
    from hydra.utils import instantiate

    with log_to(None):
        check_nodes(config)
        splits = instantiate(config.data).splits()
        say(
            f"data: {len(splits.train):,} training and {len(splits.heldout):,} held-out images in '{config.paths.data}'"
        )
        for name, protocol in (config.protocol or {}).items():
            say(f"protocol {name}: weights {instantiate(protocol.extractor).load().weights}")

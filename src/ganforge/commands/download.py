"""Fetch what a run needs from the network, for machines that have none."""

from omegaconf import DictConfig

from ganforge.core.checks import check_nodes
from ganforge.core.console import log_to, say

__all__ = ["download"]


def download(config: DictConfig) -> None:
    """Fetch the configuration's dataset and its metrics' weights, and do nothing else."""
    from ganforge.core.build import build

    with log_to(None):
        check_nodes(config)
        splits = build(config.data, "data").splits()
        say(
            f"data: {len(splits.train):,} training and {len(splits.heldout):,} held-out images in '{config.paths.data}'"
        )
        for name, protocol in (config.protocol or {}).items():
            extractor = build(protocol.extractor, "protocol")
            say(f"protocol {name}: weights {extractor.load().weights}")

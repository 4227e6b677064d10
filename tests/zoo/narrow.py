"""Overrides that make any variant small enough for a test, found from what its network takes."""

from omegaconf import DictConfig

from ganforge.core.config import compose


def narrow(*overrides: str) -> list[str]:
    """Return ``overrides`` with the network's widths made small."""
    network = compose(overrides).network
    small = list(overrides)
    if "width" in network:
        small.append("network.width=8")
    if "channel_base" in network:
        small += ["network.channel_base=128", "network.channel_max=8"]
    if "widths" in network:
        small += ["network.widths=[8,8,8,8]", "network.cardinalities=[2,2,2,2]", "network.blocks=[1,1,1,1]"]
    if "style_mixing" in network:
        small += ["latent.dim=16", "network.style_dim=16"]
    if "text" in network.generator:
        small += ["text_encoder.dim=8", "text_encoder.width=8"]
    return small


def takes_source(config: DictConfig) -> bool:
    """Return whether a variant translates a column of the dataset."""
    return config.model._target_.endswith("CycleGAN") or (config.conditioning or {}).get("key") == "source"


def takes_text(config: DictConfig) -> bool:
    """Return whether a variant draws captions."""
    return (config.conditioning or {}).get("key") == "text"

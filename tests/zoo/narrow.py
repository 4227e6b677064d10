"""Overrides that make any variant small enough for a test, found from what its network takes."""

from ganforge.core.config import compose


def narrow(*overrides: str) -> list[str]:
    """Return ``overrides`` with the network's widths made small."""
    config = compose(overrides)
    network, small = config.network, list(overrides)
    if "width" in network:
        small.append("network.width=4" if "source" in (config.data.get("given") or {}) else "network.width=8")
    if "channel_base" in network:
        small += ["network.channel_base=128", "network.channel_max=8"]
    if "widths" in network:
        small += ["network.widths=[8,8,8,8]", "network.cardinalities=[2,2,2,2]", "network.blocks=[1,1,1,1]"]
    if "style_mixing" in network:
        small += ["latent.dim=16", "network.style_dim=16"]
    return small


def own_data(name: str) -> str:
    """Return the data that a variant chooses; for all but translations they are the default ones."""
    return compose([f"model={name}"]).name.removeprefix(f"{name}_")


def translates(name: str) -> bool:
    """Return whether a variant translates a column of its dataset."""
    return "source" in (compose([f"model={name}"]).data.get("given") or {})

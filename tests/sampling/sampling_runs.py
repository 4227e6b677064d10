"""Overrides of small runs, one for each kind of generator."""

DCGAN = ["data=digits", "network.width=4", "latent=normal", "latent.dim=8"]
CONDITIONAL = ["model=cgan", *DCGAN]
STYLES = [
    "model=stylegan2",
    "data=digits",
    "latent.dim=8",
    "network.style_dim=8",
    "network.channel_base=64",
    "network.channel_max=8",
    "network.mapping_layers=2",
]
INFOGAN = ["model=infogan", "data=digits", "network.width=4"]

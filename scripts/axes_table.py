"""Walk the product of losses, terms, conditionings and augmentations, and write which pairs are legal to docs/axes.md.

    python scripts/axes_table.py

Every combination is built on small networks and put through the checks that ``ganforge train`` makes before data is
touched. The discriminator has every head (classes, codes, embeddings), so that what is refused is refused for what it
means and not for a missing layer.
"""

import argparse
import sys
from collections.abc import Iterator
from functools import cache, partial
from itertools import product
from pathlib import Path
from typing import Any

import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf
from torch import Tensor, nn

from ganforge.conditioning import Label
from ganforge.core.config import config_folder, register_resolvers
from ganforge.core.messages import find_cause
from ganforge.data.columns import Batch
from ganforge.latents import Coded
from ganforge.models.gan import GAN
from ganforge.models.preflight import preflight
from ganforge.networks.critique import Critique

At = tuple[str, str, str, str]


class Generator(nn.Module):
    """One linear layer from latent, and label where there is one, to an 8 x 8 image."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.label = nn.Linear(20, 64), nn.Embedding(4, 64)
        self.latent_dim = 20

    def forward(self, latent: Tensor, condition: Tensor | None = None) -> Tensor:
        """See :mod:`ganforge.networks`."""
        shift = 0 if condition is None else self.label(condition)
        return torch.tanh(self.layer(latent) + shift).view(-1, 1, 8, 8)


class Discriminator(nn.Module):
    """A perceptron with every head; the class and embedding heads have something to say only where labels are."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.Softplus())
        self.logit, self.codes, self.embed = nn.Linear(16, 1), nn.Linear(16, 12), nn.Linear(16, 8)
        self.classify, self.proxy, self.place = nn.Linear(16, 4), nn.Embedding(4, 8), nn.Conv1d(1, 8, 1)

    def forward(self, images: Tensor, condition: Tensor | None = None) -> Critique:
        """See :mod:`ganforge.networks`."""
        features = self.body(images)
        proxy = None if condition is None else self.proxy(condition)
        return Critique(
            self.logit(features).squeeze(1),
            features,
            self.classify(features),
            self.codes(features),
            self.embed(features),
            proxy,
            self.place(images.flatten(2)),
            ((features,),),
        )


def options(group: str) -> list[str]:
    """Return a group's options from disk."""
    return sorted(path.stem for path in (config_folder() / group).glob("*.yaml"))


def combinations() -> Iterator[At]:
    """Yield every (loss, term, conditioning, augment)."""
    yield from product(options("loss"), options("term"), ("none", "label"), options("augment"))


@cache
def _config(group: str, name: str, loss: str = "minimax") -> Any:
    register_resolvers()
    chosen = OmegaConf.load(config_folder() / "loss" / f"{loss}.yaml")
    root = OmegaConf.create({"total_kimg": 1, "latent": {"categories": 10, "continuous": 2}, "loss": chosen})
    loaded = OmegaConf.load(config_folder() / group / f"{name}.yaml")
    merged = OmegaConf.merge(root, {"node": {}} if name == "none" else {"node": loaded})
    OmegaConf.resolve(merged)
    return merged.node


def refusal_of(loss: str, term: str, conditioning: str, augment: str) -> str | None:
    """Return why the combination is refused, or ``None`` if it takes a step."""
    torch.manual_seed(0)
    try:
        module = GAN(
            generator=Generator(),
            discriminator=Discriminator(),
            loss=instantiate(_config("loss", loss)),
            latent=Coded(8, 10, 2),
            terms=instantiate(_config("term", term, loss), _convert_="all"),
            conditioning=Label(4) if conditioning == "label" else None,
            augment=None if augment == "none" else instantiate(_config("augment", augment)),
            optimizers={player: partial(torch.optim.SGD, lr=0.01) for player in ("generator", "discriminator")},
            total_kimg=1,
        )
        preflight(module, Batch(torch.rand(12, 1, 8, 8) * 2 - 1, {"label": torch.arange(12) % 4}))
    except Exception as error:
        refusal = find_cause(error)
        if refusal is None:
            raise
        return str(refusal)
    return None


def main() -> int:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    refusals = {at: refusal_of(*at) for at in combinations()}
    losses, augments = options("loss"), options("augment")
    lines = [
        "# Which options go together",
        "",
        f"Made by `python scripts/axes_table.py` from {len(refusals):,} combinations of {len(losses)} losses, "
        f"{len(options('term'))} terms, 2 conditionings and {len(augments)} augmentations, each put through the "
        "checks that `ganforge train` makes before data is touched. The discriminator has every head; a network "
        "without the head that a term reads is refused as well, by name.",
        "",
        f"Losses: {', '.join(losses)}.",
        f"Augmentations: {', '.join(augments)}.",
        "",
        "| term | conditioning | with every loss and augmentation |",
        "|---|---|---|",
    ]
    for term, conditioning in product(options("term"), ("none", "label")):
        found = {at: v for at, v in refusals.items() if at[1] == term and at[2] == conditioning}
        refused = {at: v for at, v in found.items() if v is not None}
        if not refused:
            outcome = "legal"
        elif len(refused) == len(found):
            outcome = f"refused: {next(iter(refused.values()))}"
        else:
            names = sorted({f"{at[0]} + {at[3]}" for at in refused})
            outcome = f"legal but for {', '.join(names)}: {next(iter(refused.values()))}"
        lines.append(f"| {term} | {conditioning} | {outcome} |")
    page = Path(__file__).parents[1] / "docs" / "axes.md"
    page.parent.mkdir(exist_ok=True)
    page.write_text("\n".join(lines) + "\n")
    legal = sum(refusal is None for refusal in refusals.values())
    print(f"{page}: {legal:,} legal, {len(refusals) - legal:,} refused")
    return 0


if __name__ == "__main__":
    sys.exit(main())

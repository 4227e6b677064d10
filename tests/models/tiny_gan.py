"""A GAN of one linear layer each, and the real Trainer for it."""

from functools import partial

import pytorch_lightning as pl
import torch
from torch import nn

from ganforge.data.columns import Batch
from ganforge.latents import Normal
from ganforge.losses.adversarial import NonSaturating
from ganforge.models.gan import GAN
from ganforge.networks.critique import Critique


class TinyGenerator(nn.Module):
    def __init__(self):
        super().__init__()
        self.latent_dim = 4
        self.layer = nn.Linear(4, 16)

    def forward(self, latent, condition=None):
        return torch.tanh(self.layer(latent)).view(-1, 1, 4, 4)


class TinyDiscriminator(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(16, 1)

    def forward(self, images, condition=None):
        return Critique(self.layer(images.flatten(1)).squeeze(1))


class Endless(torch.utils.data.IterableDataset):
    def __init__(self, size=8):
        self.size = size

    def __iter__(self):
        generator = torch.Generator().manual_seed(0)
        while True:
            yield Batch(
                torch.rand(self.size, 1, 4, 4, generator=generator) * 2 - 1, {"label": torch.arange(self.size) % 3}
            )


def optimizers(lr=0.01):
    return {player: partial(torch.optim.SGD, lr=lr) for player in ("generator", "discriminator")}


def gan(kind=GAN, **options):
    torch.manual_seed(0)
    defaults = {
        "generator": TinyGenerator(),
        "discriminator": TinyDiscriminator(),
        "loss": NonSaturating(),
        "latent": Normal(4),
        "optimizers": optimizers(),
        "total_kimg": 0.096,
        "log_every": 4,
    }
    return kind(**{**defaults, **options})


def fit(module, callbacks=(), size=8):
    trainer = pl.Trainer(
        max_epochs=-1,
        accelerator="cpu",
        logger=False,
        callbacks=list(callbacks),
        enable_progress_bar=False,
        enable_checkpointing=False,
        enable_model_summary=False,
    )
    loader = torch.utils.data.DataLoader(Endless(size), batch_size=None)
    trainer.fit(module, loader)
    return trainer

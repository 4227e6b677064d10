"""Translation between the classes of one dataset."""

import math
from typing import Any

import torch
from torch import Tensor, nn

from ganforge.conditioning import Given
from ganforge.core.errors import GanforgeError
from ganforge.data.columns import DATA, Batch
from ganforge.data.module import DataModule
from ganforge.latents import Latent
from ganforge.losses.step import Player, Step
from ganforge.models.gan import GAN
from ganforge.models.preflight import check_networks
from ganforge.sampling.sampler import Sampler

__all__ = ["StarGAN"]


class StarGAN(GAN):
    """:class:`GAN` whose generator takes real pictures for its latent, and other pictures' labels (Choi et al. 2018).

    The targets are the batch's own labels, shuffled. Sampling translates pictures of the held-out split.

    Args:
        **gan: see :class:`GAN`; ``conditioning`` gives labels and ``latent`` is ``None``.

    Raises:
        GanforgeError: without a conditioning, or with a latent.
    """

    def __init__(self, **gan: Any) -> None:
        if gan.get("conditioning") is None or gan.get("latent") is not None:
            raise GanforgeError("model=stargan translates pictures into classes: leave conditioning=label latent=none.")
        super().__init__(**gan)
        self.pictures = HeldOut()

    def check(self, batch: Batch) -> None:
        """See :class:`GAN`."""
        assert self.conditioning is not None
        check_networks(self.generator, self.discriminator, batch.data, self.conditioning(batch), batch.data)

    def play(self, player: Player, batch: Batch) -> Step:
        """Return a step of ``player`` on a batch: its pictures are translated into the classes of one another."""
        assert self.conditioning is not None
        labels = self.conditioning(batch)
        targets = labels[torch.randperm(len(labels)).to(labels.device)]
        return self.game.step(
            player,
            generator=self.generator,
            real=batch.data,
            latent=batch.data,
            condition=labels,
            fake_condition=targets,
            images_seen=self.images_seen,
        )

    def samplers(self) -> dict[str, Sampler]:
        """See :class:`GAN`."""
        average: nn.Module | None = self.generator_ema
        return {"generator": Sampler(self.generator, self.pictures, self.conditioning, self.modality_of(), average)}

    def bind(self, data: DataModule) -> None:
        """See :class:`GAN`."""
        super().bind(data)
        self.pictures.bind(data)


class HeldOut(Latent):
    """Pictures of the held-out split, drawn with replacement, as a generator's input."""

    is_data = True

    def __init__(self) -> None:
        super().__init__(1)
        self.column = Given(DATA)

    def bind(self, data: DataModule) -> None:
        """Take the dataset that pictures are drawn from."""
        self.dim = math.prod(data.modality.shape)
        self.column.bind(data.heldout)

    def __call__(self, n: int, *, generator: torch.Generator | None, device: torch.device) -> Tensor:
        """Draw ``(n, channels, h, w)`` pictures as networks see them."""
        return self.column.sample(n, generator=generator, device=device)

"""A generator against a discriminator: the procedure of most GAN papers."""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from ganforge.augment.base import Augment
from ganforge.conditioning import Conditioning, Given
from ganforge.core.annotations import Count
from ganforge.core.errors import GanforgeError
from ganforge.data.columns import Batch, Split
from ganforge.data.module import DataModule
from ganforge.latents import Latent
from ganforge.losses.adversarial import AdversarialLoss
from ganforge.losses.constraint import Constraint
from ganforge.losses.step import Player, Step, Term
from ganforge.models.base import AdversarialModule
from ganforge.models.game import Game
from ganforge.models.phase import Phase
from ganforge.models.preflight import check_condition_is_read, check_networks, check_pairs
from ganforge.models.resumable import Stateful
from ganforge.networks.checks import require_two_inputs
from ganforge.sampling.sampler import Sampler

__all__ = ["GAN"]


class GAN(AdversarialModule):
    """The alternating game of Goodfellow et al. 2014, algorithm 1, with every formula left to its axis.

    Each batch of real samples trains the discriminator once; each ``n_critic``-th batch trains the generator after it,
    on fresh latents. Generated samples take the batch's own conditions. Terms join their player's loss, or step by
    themselves where they are lazy (``every > 1``).

    Args:
        generator: see :mod:`ganforge.networks`.
        discriminator: see :mod:`ganforge.networks`.
        loss: adversarial loss of both players.
        latent: prior of the generator's input; ``None`` for a generator of its condition alone.
        terms: penalties and auxiliary losses by name.
        constraint: acts on the discriminator after each of its steps (weight clipping).
        conditioning: what both networks are conditioned on.
        augment: applied to every sample that the discriminator sees.
        n_critic: discriminator steps a generator step.
        fresh_real: where the generator's losses read real samples (relativistic ones, feature matching), they read
            another batch than the discriminator's, as in the codes of R3GAN, relativistic GANs and feature matching.
            The data module draws it; a plain DataLoader's batch serves both players.
        **training: see :class:`AdversarialModule`; ``ema`` averages the generator.

    Raises:
        GanforgeError: if an option is out of its range, or the generator is left without any input.
    """

    generator_ema: nn.Module | None

    def __init__(
        self,
        *,
        generator: nn.Module,
        discriminator: nn.Module,
        loss: AdversarialLoss,
        latent: Latent | None,
        terms: Mapping[str, Term] | None = None,
        constraint: Constraint | None = None,
        conditioning: Conditioning | None = None,
        augment: Augment | None = None,
        n_critic: Count = 1,
        fresh_real: bool = True,
        **training: Any,
    ) -> None:
        super().__init__(**training)
        if n_critic < 1:
            raise GanforgeError(f"model.n_critic must be a whole number >= 1, got {n_critic}.")
        if latent is None and conditioning is None:
            raise GanforgeError(
                "latent=none and conditioning=none leave the generator without an input: choose a latent or a "
                "conditioning."
            )
        require_two_inputs("generator", generator)
        require_two_inputs("discriminator", discriminator)
        self.generator = generator
        self.discriminator = discriminator
        self.augment = augment or Augment()
        self.average("generator", "generator")
        self.loss, self.latent, self.conditioning = loss, latent, conditioning
        self.terms, self.n_critic, self.fresh_real = dict(terms or {}), n_critic, fresh_real
        self.game = Game(
            discriminator=discriminator, loss=loss, terms=self.terms, constraint=constraint, augment=self.augment
        )

    def players(self) -> dict[str, Sequence[nn.Module]]:
        """See :class:`AdversarialModule`."""
        return {"discriminator": [self.discriminator], "generator": [self.generator]}

    def stateful(self) -> Mapping[str, Stateful]:
        """See :class:`AdversarialModule`."""
        return self.terms

    def check(self, batch: Batch) -> None:
        """See :class:`AdversarialModule`."""
        condition = None if self.conditioning is None else self.conditioning(batch)
        latent = None if self.latent is None else self.latent(len(batch.data), generator=None, device=batch.data.device)
        check_networks(self.generator, self.discriminator, latent, condition, batch.data)
        step = self.play("discriminator", batch)
        if step.condition is not None:
            check_condition_is_read(self.generator, self.discriminator, step.latent, step.condition)

    def phases(self) -> Sequence[Phase]:
        """See :class:`AdversarialModule`."""
        return self.game.phases(self.play, self.n_critic, fresh_real=self.fresh_real)

    def play(self, player: Player, batch: Batch) -> Step:
        """Return a step of ``player`` on a batch, on new latents."""
        condition = None if self.conditioning is None else self.conditioning(batch)
        real = batch.data
        latent = None if self.latent is None else self.latent(len(real), generator=None, device=real.device)
        return self.game.step(
            player,
            generator=self.generator,
            real=real,
            latent=latent,
            condition=condition,
            fake_condition=condition,
            images_seen=self.images_seen,
        )

    def samplers(self) -> dict[str, Sampler]:
        """See :class:`AdversarialModule`."""
        modality = self.modality_of()
        return {"generator": Sampler(self.generator, self.latent, self.conditioning, modality, self.generator_ema)}

    def games(self) -> Mapping[str, Game]:
        """See :class:`AdversarialModule`."""
        return {"generator": self.game}

    def check_data(self, train: Split) -> None:
        """See :class:`AdversarialModule`."""
        if isinstance(self.conditioning, Given):
            check_pairs(train, self.conditioning.key, self.terms, self.discriminator)

    def bind(self, data: DataModule) -> None:
        """See :class:`AdversarialModule`."""
        super().bind(data)
        if self.conditioning is not None:
            self.conditioning.bind(data.heldout)

"""A generator against a discriminator: the procedure of most GAN papers."""

import copy
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from ganforge.augment.base import Augment
from ganforge.conditioning import Conditioning
from ganforge.core.errors import GanforgeError
from ganforge.data.columns import Batch
from ganforge.data.module import DataModule
from ganforge.ema import EMA
from ganforge.latents import Latent
from ganforge.losses.adversarial import AdversarialLoss
from ganforge.losses.constraint import Constraint
from ganforge.losses.step import Player, Step, Term
from ganforge.models.base import AdversarialModule, Phase
from ganforge.models.preflight import check_labels_are_read, check_terms
from ganforge.networks.critique import Critique
from ganforge.sampling.sampler import Sampler

__all__ = ["GAN"]


class GAN(AdversarialModule):
    """The alternating game of Goodfellow et al. 2014, algorithm 1, with every formula left to its axis.

    Each batch of real images trains the discriminator once; each ``n_critic``-th batch trains the generator after it,
    on fresh latents. Generated images take the batch's own conditions. Terms join their player's loss, or step by
    themselves where they are lazy (``every > 1``).

    Args:
        generator: see :mod:`ganforge.networks`.
        discriminator: see :mod:`ganforge.networks`.
        loss: adversarial loss of both players.
        latent: prior of the generator's input.
        terms: penalties and auxiliary losses by name.
        constraint: acts on the discriminator after each of its steps (weight clipping).
        conditioning: what both networks are conditioned on.
        augment: applied to every image that the discriminator sees.
        ema: keeps an average of the generator for sampling.
        n_critic: discriminator steps a generator step.
        **training: see :class:`AdversarialModule`.
    """

    def __init__(
        self,
        *,
        generator: nn.Module,
        discriminator: nn.Module,
        loss: AdversarialLoss,
        latent: Latent,
        terms: Mapping[str, Term] | None = None,
        constraint: Constraint | None = None,
        conditioning: Conditioning | None = None,
        augment: Augment | None = None,
        ema: EMA | None = None,
        n_critic: int = 1,
        **training: Any,
    ) -> None:
        super().__init__(**training)
        if n_critic < 1:
            raise GanforgeError(f"model.n_critic must be a whole number >= 1, got {n_critic}.")
        self.generator = generator
        self.discriminator = discriminator
        self.augment = augment or Augment()
        self.generator_ema = None if ema is None else copy.deepcopy(generator).requires_grad_(False)
        self.loss, self.latent, self.conditioning = loss, latent, conditioning
        self.terms = dict(terms or {})
        self.constraint, self.ema, self.n_critic = constraint, ema, n_critic
        self._logits: list[tuple[Tensor, Tensor]] = []  # of the parts of the batch that the discriminator is judging

    def players(self) -> dict[str, Sequence[nn.Module]]:
        """See :class:`AdversarialModule`."""
        return {"discriminator": [self.discriminator], "generator": [self.generator]}

    def check(self, batch: Batch) -> None:
        """See :class:`AdversarialModule`."""
        step = self._step("discriminator", batch, judge_real=True)
        assert step.fake_critique is not None
        if step.condition is not None:
            check_labels_are_read(self.generator, self.discriminator, step.latent, step.condition)
        check_terms(self.terms, step.fake_critique, step.condition is not None)

    def phases(self) -> Sequence[Phase]:
        """See :class:`AdversarialModule`."""
        periods: dict[Player, int] = {"discriminator": 1, "generator": self.n_critic}
        losses = {"discriminator": self._discriminator_losses, "generator": self._generator_losses}
        self._main = {player: Phase(player, losses[player], period) for player, period in periods.items()}
        lazy = [
            Phase(term.player, partial(self._lazy_loss, name, term), periods[term.player] * term.every)
            for name, term in self.terms.items()
            if term.every > 1
        ]
        return [
            phase
            for player in periods
            for phase in (self._main[player], *(phase for phase in lazy if phase.player == player))
        ]

    def _discriminate(self, images: Tensor, condition: Tensor | None) -> Critique:
        critique: Critique = self.discriminator(self.augment(images), condition)
        return critique

    def _step(self, player: Player, batch: Batch, *, judge_real: bool, judge_fake: bool = True) -> Step:
        """Draw latents, generate, and judge what the phase needs judged."""
        real = batch.data
        condition = None if self.conditioning is None else self.conditioning(batch)
        latent = self.latent(len(real), generator=None, device=real.device)
        with torch.set_grad_enabled(player == "generator"):
            fake = self.generator(latent, condition)
        if player == "discriminator":
            real = self.augment.pseudo(real, fake)
        return Step(
            player=player,
            real=real,
            fake=fake,
            real_critique=self._discriminate(real, condition) if judge_real else None,
            fake_critique=self._discriminate(fake, condition) if judge_fake else None,
            latent=latent,
            condition=condition,
            fake_condition=condition,
            discriminate=self._discriminate,
            generate=self.generator,
            augment=self.augment,
            stand_in=None,
            networks={"generator": self.generator, "discriminator": self.discriminator},
            images_seen=self.images_seen,
        )

    def _prompt_terms(self, step: Step) -> dict[str, Tensor]:
        """Return the weighted terms of the step's player that are not lazy."""
        return {
            name: term.weight * term(step)
            for name, term in self.terms.items()
            if term.player == step.player and term.every == 1
        }

    def _needs(self, player: Player, name: str) -> bool:
        """Whether a prompt term of ``player`` reads ``name``."""
        return any(name in term.needs for term in self.terms.values() if term.player == player and term.every == 1)

    def _discriminator_losses(self, batch: Batch) -> dict[str, Tensor]:
        step = self._step("discriminator", batch, judge_real=True)
        assert step.real_critique is not None
        assert step.fake_critique is not None
        real, fake = step.real_critique.logits, step.fake_critique.logits
        self._logits.append((real.detach(), fake.detach()))
        if self.ledger.due:
            self.ledger.note("discriminator/real_logits", real.mean())
            self.ledger.note("discriminator/fake_logits", fake.mean())
            for name, value in self.augment.scalars().items():
                self.ledger.note(f"augment/{name}", value)
        return {"adversarial": self.loss.discriminator(real, fake), **self._prompt_terms(step)}

    def _generator_losses(self, batch: Batch) -> dict[str, Tensor]:
        judge_real = self.loss.needs_real or self._needs("generator", "real_critique")
        step = self._step("generator", batch, judge_real=judge_real)
        assert step.fake_critique is not None
        real = None if step.real_critique is None else step.real_critique.logits
        return {
            "adversarial": self.loss.generator(step.fake_critique.logits, real),
            **self._prompt_terms(step),
        }

    def _lazy_loss(self, name: str, term: Term, batch: Batch) -> dict[str, Tensor]:
        step = self._step(
            term.player,
            batch,
            judge_real="real_critique" in term.needs,
            judge_fake="fake_critique" in term.needs,
        )
        return {name: term.weight * term.every * term(step)}

    def after_step(self, phase: Phase, images: int) -> None:
        """Constrain the discriminator and adapt its augmentation, or average the generator."""
        if phase.player == "discriminator" and self.constraint is not None:
            self.constraint(self.discriminator)
        if phase is self._main["discriminator"]:
            real, fake = map(torch.cat, zip(*self._logits, strict=True))
            self._logits.clear()
            self.augment.observe(real, images)
            self.loss.observe(real, fake)
            if self.ledger.due:
                for name, value in self.loss.scalars().items():
                    self.ledger.note(f"loss/{name}", value)
        elif phase is self._main["generator"] and self.ema is not None and self.generator_ema is not None:
            self.ema.update(self.generator_ema, self.generator, images, self.images_seen)

    def samplers(self) -> dict[str, Sampler]:
        """See :class:`AdversarialModule`."""
        modality = self.modality_of()
        return {"generator": Sampler(self.generator, self.latent, self.conditioning, modality, self.generator_ema)}

    def games(self) -> Mapping[str, Any]:
        """See :class:`AdversarialModule`."""
        return {"generator": self}

    def bind(self, data: DataModule) -> None:
        """See :class:`AdversarialModule`."""
        super().bind(data)
        if self.conditioning is not None:
            self.conditioning.bind(data.heldout)

    def term_states(self) -> dict[str, Any]:
        """See :class:`AdversarialModule`."""
        return {name: term.state_dict() for name, term in self.terms.items()}

    def load_term_states(self, states: dict[str, Any]) -> None:
        """See :class:`AdversarialModule`."""
        for name, state in states.items():
            self.terms[name].load_state_dict(state)

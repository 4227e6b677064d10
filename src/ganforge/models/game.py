"""One adversarial relation: a discriminator, what it and its generator are trained on, and in which phases."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, partial

import torch
from torch import Tensor, nn

from ganforge.augment.base import Augment
from ganforge.core.annotations import NonNegative
from ganforge.core.errors import GanforgeError
from ganforge.data.columns import Batch
from ganforge.losses.adversarial import AdversarialLoss
from ganforge.losses.constraint import Constraint
from ganforge.losses.step import Player, Step, Term
from ganforge.models.phase import Losses, Phase
from ganforge.networks.critique import Critique, NotGiven

__all__ = ["Game", "Play"]

#: Draws what a phase of a player needs from a batch.
Play = Callable[[Player, Batch], Step]


@dataclass(kw_only=True, eq=False)
class Game:
    """The losses of two players, without a training loop; a procedure has one of it, or several.

    A procedure with one game takes :meth:`phases` whole. One with several builds phases of its own from
    :meth:`step`, :meth:`discriminator_losses`, :meth:`generator_losses`, :meth:`lazy_losses` and :meth:`after_step`.

    Args:
        discriminator: see :mod:`ganforge.networks`.
        loss: adversarial loss of both players.
        terms: penalties and auxiliary losses by name.
        constraint: acts on the discriminator after each of its steps (weight clipping).
        augment: applied to every sample that the discriminator sees.
        weight: multiplies the adversarial loss of both players; terms have weights of their own.
        name: goes before the names of values and logs, where a procedure has several games.
    """

    discriminator: nn.Module
    loss: AdversarialLoss
    terms: Mapping[str, Term] = field(default_factory=dict)
    constraint: Constraint | None = None
    augment: Augment = field(default_factory=Augment)
    weight: NonNegative = 1.0
    name: str = ""

    def _named(self, name: str) -> str:
        return f"{self.name}_{name}" if self.name else name

    def discriminate(self, samples: Tensor, condition: Tensor | None) -> Critique:
        """Return the discriminator's critique of samples, augmented."""
        return Critique.of(self.discriminator(self.augment(samples), condition), samples)

    def step(
        self,
        player: Player,
        *,
        generator: nn.Module,
        real: Tensor,
        latent: Tensor | None,
        condition: Tensor | None,
        fake_condition: Tensor | None,
        images_seen: int,
    ) -> Step:
        """Return the step of ``player`` on samples of both kinds; arguments are :class:`Step`'s.

        Samples are generated of ``latent`` and ``fake_condition`` when they are first read. In the discriminator's
        steps, augmentation may put other samples in place of real ones (APA).
        """
        make_fake = cache(partial(_generate, player, generator, latent, fake_condition, real.shape))
        return Step(
            player=player,
            real=self.augment.pseudo(real, make_fake) if player == "discriminator" else real,
            make_fake=make_fake,
            latent=latent,
            condition=condition,
            fake_condition=fake_condition,
            discriminate=self.discriminate,
            generate=generator,
            augment=self.augment,
            networks={"generator": generator, "discriminator": self.discriminator},
            images_seen=images_seen,
        )

    def discriminator_losses(self, step: Step) -> Losses:
        """Return the discriminator's adversarial loss and those of its terms that are not lazy."""
        real, fake = step.real_critique.logits, step.fake_critique.logits
        logs = {
            self._log("discriminator", "real_logits"): real.detach(),
            self._log("discriminator", "fake_logits"): fake.detach(),
        }
        logs |= {self._log("augment", name): value for name, value in self.augment.scalars().items()}
        adversarial = _mean_over_scales(self.loss.discriminator, step.real_critique, step.fake_critique)
        return Losses(self._values(adversarial, step), logs)

    def generator_losses(self, step: Step) -> Losses:
        """Return the generator's adversarial loss and those of its terms that are not lazy."""
        real = [step.real_critique] if self.loss.needs_real else []
        return Losses(self._values(_mean_over_scales(self.loss.generator, step.fake_critique, *real), step))

    def _values(self, adversarial: Tensor, step: Step) -> dict[str, Tensor]:
        values = {self._named("adversarial"): self.weight * adversarial}
        for name, term in self.terms.items():
            if term.player == step.player and term.every == 1:
                values[self._named(name)] = term.weight * self._read(name, step)
        return values

    def lazy_losses(self, name: str, step: Step) -> Losses:
        """Return the loss of one lazy term, with its weight times the steps that it stands for."""
        term = self.terms[name]
        return Losses({self._named(name): term.weight * term.every * self._read(name, step)})

    def _read(self, name: str, step: Step) -> Tensor:
        """Return a term's value; an error about a missing input names the term."""
        try:
            return self.terms[name](step)
        except NotGiven as error:
            raise error.read_by(name) from error

    def _log(self, group: str, name: str) -> str:
        return f"{group}/{self._named(name)}"

    def after_step(self, parts: Sequence[Losses], images: int) -> dict[str, Tensor]:
        """Constrain the discriminator after its step, and adapt augmentation and loss to it; return logs.

        Args:
            parts: what :meth:`discriminator_losses` gave of each part of the batch.
            images: real images of the step over all ranks.
        """
        self.constrain(parts, images)
        real, fake = (
            torch.cat([part.logs[self._log("discriminator", kind)] for part in parts])
            for kind in ("real_logits", "fake_logits")
        )
        self.augment.observe(real, images)
        self.loss.observe(real, fake)
        return {self._log("loss", name): value for name, value in self.loss.scalars().items()}

    def constrain(self, parts: Sequence[Losses], images: int) -> dict[str, Tensor]:
        """Constrain the discriminator after a step of lazy terms; there is nothing to log."""
        if self.constraint is not None:
            self.constraint(self.discriminator)
        return {}

    def phases(self, play: Play, n_critic: int = 1, *, fresh_real: bool = False) -> list[Phase]:
        """Return the discriminator's phases, then the generator's; of each the adversarial one, then lazy terms.

        Args:
            play: draws a step from a batch.
            n_critic: discriminator steps a generator step.
            fresh_real: the generator's phases that read real samples take a batch of their own.
        """
        terms = [term for term in self.terms.values() if term.player == "generator" and term.every == 1]
        reads_real = self.loss.needs_real or any(term.needs_real for term in terms)
        discriminator = Phase(
            "discriminator",
            lambda batch: self.discriminator_losses(play("discriminator", batch)),
            after=self.after_step,
        )
        generator = Phase(
            "generator",
            lambda batch: self.generator_losses(play("generator", batch)),
            n_critic,
            own_batch=fresh_real and reads_real,
        )
        lazy = self._lazy_phases("generator", play, n_critic)
        return [
            discriminator,
            *(replace(phase, after=self.constrain) for _, phase in self._lazy_phases("discriminator", play, 1)),
            generator,
            *(replace(phase, own_batch=fresh_real and term.needs_real) for term, phase in lazy),
        ]

    def _lazy_phases(self, player: Player, play: Play, period: int) -> Iterator[tuple[Term, Phase]]:
        """Yield each lazy term of ``player``, who steps on each ``period``-th batch, and its phase.

        As in StyleGAN2's code the phase moves all of the player's parameters.
        """

        def losses(name: str, batch: Batch) -> Losses:
            return self.lazy_losses(name, play(player, batch))

        for name, term in self.terms.items():
            if term.player == player and term.every > 1:
                yield term, Phase(player, partial(losses, name), period * term.every, moves_all=True)


def _generate(
    player: Player, generator: nn.Module, latent: Tensor | None, condition: Tensor | None, shape: torch.Size
) -> Tensor:
    """Return generated samples, with the generator's graph in its own phases.

    Raises:
        GanforgeError: if they have another shape than real ones.
    """
    with torch.set_grad_enabled(player == "generator"):
        fake: Tensor = generator(latent, condition)
    if fake.shape[1:] != shape[1:]:
        raise GanforgeError(
            f"The generator returned samples of shape {tuple(fake.shape)} where the data's is {tuple(shape)}: "
            "all numbers but the first must agree."
        )
    return fake


def _mean_over_scales(loss: Callable[..., Tensor], *critiques: Critique) -> Tensor:
    """Return the mean of a loss of logits over a discriminator's scales; most have one."""
    values = [loss(*logits) for logits in zip(*(critique.scales() for critique in critiques), strict=True)]
    return values[0] if len(values) == 1 else torch.stack(values).mean()

"""Translation both ways between two sets of pictures without pairs."""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from torch import Tensor, nn

from ganforge.conditioning import Given
from ganforge.core.annotations import NonNegative, Whole
from ganforge.core.distributed import of_every_rank, rank
from ganforge.core.errors import GanforgeError
from ganforge.data.columns import DATA, Batch
from ganforge.data.module import DataModule
from ganforge.losses.adversarial import AdversarialLoss
from ganforge.losses.precision import widen
from ganforge.losses.step import Player, Step
from ganforge.models.base import AdversarialModule
from ganforge.models.contents import Progress, require
from ganforge.models.game import Game
from ganforge.models.image_pool import ImagePool
from ganforge.models.phase import Losses, Phase
from ganforge.sampling.sampler import Sampler

__all__ = ["CycleGAN"]

#: Pictures of either domain: a, the column that is translated, and b, the data.
Pair = tuple[Tensor, Tensor]


class CycleGAN(AdversarialModule):
    """Two translators, trained together, against two discriminators (Zhu et al. 2017, arXiv:1703.10593).

    In each batch both translators step first, then both discriminators, on the translations from before the step,
    exchanged with a history of them. As in the authors' code; domain b is the data, domain a the column ``source``.

    Args:
        a_to_b, b_to_a: generators, see :mod:`ganforge.networks`.
        of_a, of_b: discriminators of either domain.
        loss: adversarial loss of both games.
        source: the given column that is domain a.
        cycle_weight: lambda of ``E|b_to_a(a_to_b(a)) - a|`` and of the other way round (equation 2).
        identity_weight: of ``E|a_to_b(b) - b|`` and of the other (section 5.2), as a share of ``cycle_weight``; 0 for
            none.
        pool_size: images of each history.
        **training: see :class:`AdversarialModule`; ``ema`` averages both translators.

    Raises:
        GanforgeError: if a weight or the size is negative.
    """

    a_to_b_ema: nn.Module | None
    b_to_a_ema: nn.Module | None

    def __init__(
        self,
        *,
        a_to_b: nn.Module,
        b_to_a: nn.Module,
        of_a: nn.Module,
        of_b: nn.Module,
        loss: AdversarialLoss,
        source: str = "source",
        cycle_weight: NonNegative = 10.0,
        identity_weight: NonNegative = 0.5,
        pool_size: Whole = 50,
        **training: Any,
    ) -> None:
        super().__init__(**training)
        if min(cycle_weight, identity_weight) < 0:
            raise GanforgeError(
                f"model.cycle_weight and model.identity_weight must be >= 0, got {cycle_weight} and {identity_weight}."
            )
        self.a_to_b, self.b_to_a, self.of_a, self.of_b = a_to_b, b_to_a, of_a, of_b
        self.average("generator", "a_to_b", "b_to_a")
        self.game_a = Game(discriminator=of_a, loss=loss, name="a")
        self.game_b = Game(discriminator=of_b, loss=loss, name="b")
        self.source, self.target = Given(source), Given(DATA)
        self.cycle_weight, self.identity_weight = cycle_weight, identity_weight
        self.pools = ImagePool(pool_size), ImagePool(pool_size)
        self._translations: deque[Pair] = deque()  # a part of the batch each, from the generators' phase to the next

    def players(self) -> dict[str, Sequence[nn.Module]]:
        """See :class:`AdversarialModule`."""
        return {"generator": [self.a_to_b, self.b_to_a], "discriminator": [self.of_a, self.of_b]}

    def check(self, batch: Batch) -> None:
        """See :class:`AdversarialModule`; the identity loss needs as many channels on both sides."""
        a, b = self._pictures(batch)
        if self.identity_weight and a.shape[1] != b.shape[1]:
            raise GanforgeError(
                f"The identity loss gives pictures of {b.shape[1]} channels to a translator of {a.shape[1]}: set "
                "model.identity_weight=0, or choose data alike on both sides."
            )

    def phases(self) -> Sequence[Phase]:
        """See :class:`AdversarialModule`."""
        return [
            Phase("generator", self.translate, before=self._translations.clear),
            Phase("discriminator", self.judge, after=self._after),
        ]

    def _pictures(self, batch: Batch) -> Pair:
        return self.source(batch), self.target(batch)

    def _steps(self, player: Player, batch: Batch) -> tuple[Step, Step]:
        """Return a step of each game; neither discriminator sees what its samples were translated from."""
        a, b = self._pictures(batch)
        sides = (self.game_a, self.b_to_a, a, b), (self.game_b, self.a_to_b, b, a)
        first, second = (
            game.step(
                player,
                generator=generator,
                real=real,
                latent=None,
                condition=None,
                fake_condition=source,
                images_seen=self.images_seen,
            )
            for game, generator, real, source in sides
        )
        return first, second

    def translate(self, batch: Batch) -> Losses:
        """Return the generators' losses on a batch, and keep the translations for :meth:`judge`."""
        a, b = self._pictures(batch)
        steps = self._steps("generator", batch)
        fake_a, fake_b = (step.fake for step in steps)
        self._translations.append((fake_a.detach(), fake_b.detach()))
        of_a, of_b = _showing(steps, (fake_a, fake_b))
        values = {
            "cycle_a": self.cycle_weight * _distance(self.b_to_a(None, fake_b), a),
            "cycle_b": self.cycle_weight * _distance(self.a_to_b(None, fake_a), b),
        }
        if self.identity_weight:
            weight = self.identity_weight * self.cycle_weight
            values["identity_a"] = weight * _distance(self.b_to_a(None, a), a)
            values["identity_b"] = weight * _distance(self.a_to_b(None, b), b)
        return self.game_a.generator_losses(of_a) | self.game_b.generator_losses(of_b) | Losses(values)

    def judge(self, batch: Batch) -> Losses:
        """Return the discriminators' losses on the part of the batch that :meth:`translate` was first called on."""
        latest = self._translations.popleft()
        first, second = (pool.exchange(fake) for pool, fake in zip(self.pools, latest, strict=True))
        of_a, of_b = _showing(self._steps("discriminator", batch), (first, second))
        return self.game_a.discriminator_losses(of_a) | self.game_b.discriminator_losses(of_b)

    def _after(self, parts: Sequence[Losses], images: int) -> Mapping[str, Tensor]:
        return self.game_a.after_step(parts, images) | self.game_b.after_step(parts, images)

    def samplers(self) -> dict[str, Sampler]:
        """See :class:`AdversarialModule`."""
        column = self.source.key
        there = Sampler(self.a_to_b, None, self.source, self.modality_of(), self.a_to_b_ema)
        back = Sampler(self.b_to_a, None, self.target, self.modality_of(column), self.b_to_a_ema, column)
        return {"a_to_b": replace(there, inverse=back), "b_to_a": replace(back, inverse=there)}

    def games(self) -> Mapping[str, Game]:
        """See :class:`AdversarialModule`."""
        return {"a_to_b": self.game_b, "b_to_a": self.game_a}

    def bind(self, data: DataModule) -> None:
        """See :class:`AdversarialModule`."""
        super().bind(data)
        for conditioning in (self.source, self.target):
            conditioning.bind(data.heldout)

    def progress(self) -> Progress:
        """See :class:`AdversarialModule`; with the histories, which every rank has of its own."""
        return {**super().progress(), "pools": of_every_rank([pool.state_dict() for pool in self.pools])}

    def restore(self, progress: Progress) -> None:
        """See :class:`AdversarialModule`."""
        super().restore(progress)
        self._restore_pools(progress)

    def begin_from(self, checkpoint: Mapping[str, object], networks: Sequence[str] | None, *, keep_clock: bool) -> None:
        """See :class:`AdversarialModule`; everything includes the histories."""
        super().begin_from(checkpoint, networks, keep_clock=keep_clock)
        if networks is None:
            self._restore_pools(require(checkpoint, "resume")["ganforge"])

    def _restore_pools(self, progress: Progress) -> None:
        states = progress.get("pools", [])
        if rank() < len(states):
            for pool, state in zip(self.pools, states[rank()], strict=True):
                pool.load_state_dict(state)


def _showing(steps: tuple[Step, Step], fakes: Pair) -> tuple[Step, Step]:
    """Return the steps with these samples, whose conditions their discriminators do not see."""
    first, second = (
        replace(step, make_fake=partial(_same, fake), fake_condition=None)
        for step, fake in zip(steps, fakes, strict=True)
    )
    return first, second


def _same(pictures: Tensor) -> Tensor:
    return pictures


def _distance(pictures: Tensor, targets: Tensor) -> Tensor:
    return (widen(pictures) - widen(targets)).abs().mean()

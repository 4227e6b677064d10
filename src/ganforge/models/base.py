"""The base of every training procedure: players take turns, and the clock counts images."""

import copy
import math
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import cast

import torch
from pytorch_lightning.core.optimizer import LightningOptimizer
from torch import Tensor, nn
from torch.optim import Optimizer

from ganforge.core.annotations import Count, Positive
from ganforge.core.distributed import average_buffers, average_gradients, world_size
from ganforge.core.errors import GanforgeError
from ganforge.data.columns import Batch, Loaded
from ganforge.ema import EMA
from ganforge.models.contents import Progress
from ganforge.models.generative import Generative
from ganforge.models.ledger import Ledger
from ganforge.models.phase import Losses, Phase
from ganforge.models.resumable import Resumable
from ganforge.models.targets import flatten, setter
from ganforge.optimizers import check_pairs

__all__ = ["AdversarialModule"]

MakeOptimizer = Callable[[Iterable[nn.Parameter]], Optimizer]

#: Of Radford et al. 2016, section 4.
_adam: MakeOptimizer = partial(torch.optim.Adam, lr=2e-4, betas=(0.5, 0.999))


class AdversarialModule(Resumable, Generative):
    """Manual optimization of alternating players, written once.

    A subclass names its players, phases and samplers; it knows neither optimizers nor devices. The clock is
    ``images_seen``: real images over all ranks, one batch after another. It stops the run, and schedules, evaluations,
    checkpoints and plots are placed on it; ``trainer.global_step`` counts every player's steps and is not used.

    Args:
        optimizers: for each player, or for all of them, a function of parameters, e.g.
            ``functools.partial(torch.optim.Adam, lr=1e-4)``; ``None`` for the Adam of Radford et al. 2016.
        total_kimg: the run stops when the clock reaches this many thousand images; ``None`` leaves that to the Trainer.
        ema: averages the networks that the procedure names in :meth:`average`; ``None`` keeps no averages.
        schedules: values that move with the clock, by their place, dotted or nested: ``optimizer.generator.lr``,
            ``optimizer.discriminator.betas.0``, or an attribute path from this module such as ``terms.r1.weight``.
        accumulate: each phase splits its batch in this many parts and sums their gradients: the same step in less
            memory, but for batch norms and minibatch statistics, which see a part each, and terms that keep averages,
            which move once a part.
        log_every: batches between two entries of the loss log.
        channels_last: lay image tensors and convolution weights out channels-last: the same values to rounding, faster.
    """

    def __init__(
        self,
        *,
        optimizers: Mapping[str, MakeOptimizer] | MakeOptimizer | None = None,
        total_kimg: Positive | None = None,
        ema: EMA | None = None,
        schedules: Mapping[str, object] | None = None,
        accumulate: Count = 1,
        log_every: Count = 50,
        channels_last: bool = False,
    ) -> None:
        super().__init__()
        kimg = math.inf if total_kimg is None else total_kimg
        for name, value in (("accumulate", accumulate), ("log_every", log_every), ("total_kimg", kimg)):
            if not value > 0:
                raise GanforgeError(f"{name} must be greater than 0, got {value}.")
        self.automatic_optimization = False
        self.images_per_batch = 0
        #: Where the clock stops the run; infinite where the Trainer does.
        self.total_images = math.inf if total_kimg is None else round(total_kimg * 1000)
        self.memory_format = torch.channels_last if channels_last else torch.contiguous_format
        self.ledger = Ledger(log_every)
        #: Entered around each phase, from ``before`` to its player's step: for profiling, debugging and tests.
        self.phase_context: Callable[[Phase], AbstractContextManager[object]] = nullcontext
        self.ema = ema
        self._optimizers = optimizers or _adam
        self._schedules = flatten(schedules or {})
        self.accumulate = accumulate
        self._averaged: dict[str, str] = {}  # networks and their players
        self._phases: tuple[Phase, ...] = ()
        self._first_phases: dict[str, Phase] = {}

    @abstractmethod
    def players(self) -> dict[str, Sequence[nn.Module]]:
        """Return each player's modules; a module may belong to two players (an autoencoder's encoder)."""

    def average(self, player: str, *names: str) -> None:
        """Keep averages of the networks of these attribute names, as ``<name>_ema``; ``None`` without ``ema``.

        A procedure calls it in its constructor. The averages move at the end of each batch in which ``player``'s first
        phase ran.
        """
        for name in names:
            average = None if self.ema is None else copy.deepcopy(getattr(self, name)).requires_grad_(False)
            setattr(self, f"{name}_ema", average)
            self._averaged[name] = player

    @abstractmethod
    def phases(self) -> Sequence[Phase]:
        """Return the phases of one batch in the order in which they run; called once, before training."""

    def check(self, batch: Batch) -> None:
        """Refuse combinations that cannot train; called once, on a copy, with a small example batch."""

    def optimizer_maker(self, player: str) -> MakeOptimizer | None:
        """Return what builds a player's optimizer; ``None`` for an unknown player."""
        return self._optimizers.get(player) if isinstance(self._optimizers, Mapping) else self._optimizers

    def configure_optimizers(self) -> list[Optimizer]:
        """Build one optimizer a player. Final."""
        players = self.players()
        makers = self._optimizers if isinstance(self._optimizers, Mapping) else dict.fromkeys(players, self._optimizers)
        if players.keys() != makers.keys():
            raise GanforgeError(
                f"optimizer must name the players {sorted(players)}, and names {sorted(makers)}: "
                "give each player one entry."
            )
        self.to(memory_format=self.memory_format)
        self._parameters_of = {
            name: list({p: None for module in modules for p in module.parameters() if p.requires_grad})
            for name, modules in players.items()
        }
        self._phases = tuple(self.phases())
        self._first_phases = {phase.player: phase for phase in reversed(self._phases)}  # lazy terms come after
        made = {name: makers[name](self._parameters_of[name]) for name in players}
        for name, optimizer in made.items():
            check_pairs(optimizer, name, [phase.every for phase in self._phases if phase.player == name])
        self._setters = {place: (setter(self, made, place), schedule) for place, schedule in self._schedules.items()}
        self._order = list(made)
        self._optimizer_kinds = {name: type(optimizer).__name__ for name, optimizer in made.items()}
        self.fit_optimizers(made)
        return list(made.values())

    def parameters_of(self, player: str) -> Sequence[nn.Parameter]:
        """Return the parameters that a player trains; known once optimizers are configured."""
        return self._parameters_of[player]

    def optimizer_of(self, player: str) -> Optimizer:
        """Return a player's optimizer itself; there is one while training."""
        return cast("Optimizer", self._optimizer(player, wrapped=False))

    def _optimizer(self, player: str, *, wrapped: bool = True) -> Optimizer | LightningOptimizer:
        found = self.optimizers(use_pl_optimizer=wrapped)
        several = found if isinstance(found, list) else [found]  # Lightning's answer where there is one player
        return cast("Optimizer | LightningOptimizer", several[self._order.index(player)])

    @property
    def batches_per_round(self) -> int:
        """Batches until every player has stepped once; 1 before optimizers are configured."""
        return max((phase.every for phase in self._first_phases.values()), default=1)

    def training_step(self, batch: Loaded, batch_idx: int) -> None:
        """Run every phase that is due, then advance the clock. Final."""
        batch = Batch.of(batch)
        self.images_per_batch = images = len(batch.data) * world_size()
        batch = batch.map(self._lay_out)
        for place, (set_value, schedule) in self._setters.items():
            value = schedule(self.images_seen) * (self.rate_scale if place.endswith(".lr") else 1.0)
            set_value(value)
            self.ledger.note(f"schedule/{place}", value)
        due = [phase for phase in self._phases if (self.batches_seen + 1) % phase.every == 0]
        for phase in due:
            with self.phase_context(phase):
                parts = self._run(phase, self._batch_of(phase, batch))
            self._note(phase.after(parts, images * phase.every))
        for phase in due:
            self._update_averages(phase, images * phase.every)
        average_buffers(self)
        self.batches_seen += 1
        self.images_seen += images
        self.ledger.close_batch(self.images_seen)
        if self.images_seen >= self.total_images:
            self.trainer.should_stop = True

    def _batch_of(self, phase: Phase, batch: Batch) -> Batch:
        """Return the batch of a phase: the step's, or its own, a function of the seed and the clock as well."""
        if not phase.own_batch or self.data is None:
            return batch
        return self.data.batch_of(phase.player, self.images_seen, batch.data.device).map(self._lay_out)

    def _lay_out(self, column: Tensor) -> Tensor:
        """Return images in the memory format of the networks."""
        return column.contiguous(memory_format=self.memory_format) if column.ndim == 4 else column

    def _run(self, phase: Phase, batch: Batch) -> list[Losses]:
        """Freeze the others, differentiate the phase's losses and let its player step; return every part's losses."""
        phase.before()
        parts: list[Losses] = []
        optimizer = self._optimizer(phase.player)
        with self.toggled_optimizer(optimizer):
            optimizer.zero_grad(set_to_none=True)
            for part in batch.split(self.accumulate):
                losses = phase.losses(part)
                share = len(part.data) / len(batch.data)
                total = losses.total()
                self.manual_backward(total if share == 1 else total * share)
                parts.append(losses.detach())
                self.ledger.record(phase.player, parts[-1].values, share)
                self._note(losses.logs)
            average_gradients(self._parameters_of[phase.player], fill=phase.moves_all)
            if phase is self._first_phases[phase.player] and self.ledger.is_last(phase.every):
                self.ledger.note(f"{phase.player}/gradient_norm", self.gradient_norm(phase.player))
            optimizer.step()
        return parts

    def _note(self, logs: Mapping[str, Tensor]) -> None:
        """Log means, in the batch that closes an interval."""
        if self.ledger.due:
            for name, value in logs.items():
                self.ledger.note(name, value)

    def _update_averages(self, phase: Phase, images: int) -> None:
        for name, player in self._averaged.items():
            if self.ema is not None and phase is self._first_phases[player]:
                self.ema.update(getattr(self, f"{name}_ema"), getattr(self, name), images, self.images_seen)

    def gradient_norm(self, player: str) -> Tensor:
        """Return the L2 norm of a player's gradient, on the device; a loss scaler's factor is taken out."""
        gradients = [p.grad for p in self._parameters_of[player] if p.grad is not None]
        norm = torch.nn.utils.get_total_norm(gradients)
        scaler = getattr(self.trainer.precision_plugin, "scaler", None)
        return norm if scaler is None else norm / scaler.get_scale()

    def progress(self) -> Progress:
        """See :class:`Resumable`; with the open interval of the loss log and the optimizers' classes."""
        progress = super().progress()
        self.ledger.fold(self.images_seen)
        return {**progress, "ledger": self.ledger.state_dict(), "optimizers": self._optimizer_kinds}

    def restore(self, progress: Progress) -> None:
        """See :class:`Resumable`; intervals of the loss log end where they would have."""
        super().restore(progress)
        self.ledger.batches = self.batches_seen
        if "ledger" in progress:
            self.ledger.load_state_dict(progress["ledger"])

    def on_train_batch_end(self, outputs: object, batch: Loaded, batch_idx: int) -> None:
        """Raise the error of a loss that was not finite, after the callbacks; log what none of them has logged."""
        self.ledger.check()
        if self.ledger.fresh is not None:
            for logger in self.loggers:
                logger.log_metrics(self.ledger.latest, step=self.ledger.fresh)
            self.ledger.fresh = None

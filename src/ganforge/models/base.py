"""The base of every training procedure: players take turns, and images are the clock."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from ganforge.core import rng
from ganforge.core.distributed import average_buffers, average_gradients, rank, world_size
from ganforge.core.errors import GanforgeError
from ganforge.data.columns import Batch
from ganforge.data.modality import Modality, Raw
from ganforge.data.module import DataModule
from ganforge.loggers.wandb import WandbLogger
from ganforge.models.ledger import Ledger
from ganforge.models.targets import flatten, setter
from ganforge.optimizers import check_pairs
from ganforge.sampling.sampler import Sampler

__all__ = ["AdversarialModule", "Phase"]

MakeOptimizer = Callable[[Iterable[nn.Parameter]], Optimizer]


@dataclass(frozen=True)
class Phase:
    """One optimizer step of one player.

    Attributes:
        player: whose parameters step; all others are frozen meanwhile.
        losses: maps a batch to named scalars, already weighted; the base sums, differentiates and logs them.
        every: the phase runs on each ``every``-th batch.
    """

    player: str
    losses: Callable[[Batch], dict[str, Tensor]]
    every: int = 1


class AdversarialModule(pl.LightningModule, ABC):
    """Manual optimization of alternating players, written once.

    A subclass names its players and phases; it knows neither optimizers nor devices. The clock is ``images_seen``:
    real images over all ranks, one batch after another. It stops the run, and schedules, evaluations, checkpoints and
    plots are placed on it; ``trainer.global_step`` counts every player's steps and is not used.

    Args:
        optimizers: for each player a function of its parameters, e.g. ``functools.partial(torch.optim.Adam, lr=2e-4)``.
        total_kimg: the run stops when the clock reaches this many thousand images.
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
        optimizers: Mapping[str, MakeOptimizer],
        total_kimg: float,
        schedules: Mapping[str, Any] | None = None,
        accumulate: int = 1,
        log_every: int = 50,
        channels_last: bool = False,
    ) -> None:
        super().__init__()
        for name, value in {
            "accumulate": accumulate,
            "log_every": log_every,
            "total_kimg": total_kimg,
        }.items():
            if not value > 0:
                raise GanforgeError(f"{name} must be greater than 0, got {value}.")
        self.automatic_optimization = False
        self.images_seen = 0
        self.batches_seen = 0
        self.images_per_batch = 0
        #: Multiplies the learning rates that schedules give; what rolls a run back lowers it.
        self.rate_scale = 1.0
        self.total_images = round(total_kimg * 1000)
        self.memory_format = torch.channels_last if channels_last else torch.contiguous_format
        self.ledger = Ledger(log_every)
        self._make_optimizers = dict(optimizers)
        self._schedules = flatten(schedules or {})
        self.accumulate = accumulate
        self._restored_rng: dict[str, Any] | None = None
        self._first_phases: dict[str, Phase] = {}
        self._modalities: dict[str | None, Modality] = {}

    @property
    def batches_per_round(self) -> int:
        """Batches in which each player's first phase runs at least once; 1 before the phases are known."""
        return max((phase.every for phase in self._first_phases.values()), default=1)

    @abstractmethod
    def players(self) -> dict[str, Sequence[nn.Module]]:
        """Return each player's modules; a module may belong to two players (an autoencoder's encoder)."""

    @abstractmethod
    def phases(self) -> Sequence[Phase]:
        """Return the phases of one batch in the order in which they run; called once, before training."""

    @abstractmethod
    def samplers(self) -> dict[str, Sampler]:
        """Return what the procedure draws samples with, by name, the main one first; cheap, and called often."""

    def games(self) -> "Mapping[str, Any]":
        """Return the adversarial game that judges each sampler, by the sampler's name, where there is one."""
        return {}

    def sample(
        self,
        n: int,
        *,
        condition: Tensor | None = None,
        ema: bool = True,
        generator: torch.Generator | None = None,
        sampler: str | None = None,
    ) -> Tensor:
        """Draw ``n`` samples as networks see them (images in [-1, 1]); batch norm uses its running statistics.

        Args:
            n: how many.
            condition: ``(n, ...)``; ``None`` draws conditions where the procedure has any.
            ema: use averaged weights, where there are any.
            generator: of latents and conditions; ``None``: the device's global one.
            sampler: its name; ``None`` for the main one.
        """
        samplers = self.samplers()
        chosen = samplers[sampler or next(iter(samplers))].with_weights("ema" if ema else "raw")
        return chosen.sample(n, generator, condition)

    def bind(self, data: DataModule) -> None:
        """Take from the data module what samples are; called before training, and when a run is restored."""
        self._modalities = {None: data.modality}
        self._modalities.update(data.given)

    def modality_of(self, target: str | None = None) -> Modality:
        """Return what the dataset's column ``target`` is, ``None`` for ``data``; :class:`Raw` before :meth:`bind`."""
        return self._modalities.get(target, Raw())

    def setup(self, stage: str) -> None:
        """Bind the trainer's data module, where it is ganforge's."""
        data = getattr(self.trainer, "datamodule", None)
        if isinstance(data, DataModule):
            self.bind(data)

    def check(self, batch: Batch) -> None:
        """Refuse combinations that make no sense; called once, on a copy, with a small made-up batch."""

    def after_step(self, phase: Phase, images: int) -> None:
        """Do what follows a player's step (weight average, clipping); ``images`` is what the phase used over all
        ranks.
        """

    def configure_optimizers(self) -> list[Optimizer]:
        """Build one optimizer a player. Final."""
        players = self.players()
        if players.keys() != self._make_optimizers.keys():
            raise GanforgeError(
                f"optimizer must name the players {sorted(players)}, and names {sorted(self._make_optimizers)}: "
                "give each player one entry."
            )
        self.to(memory_format=self.memory_format)
        self._player_parameters = {
            name: list({p: None for module in modules for p in module.parameters() if p.requires_grad})
            for name, modules in players.items()
        }
        self._phases = tuple(self.phases())
        self._first_phases = {phase.player: phase for phase in reversed(self._phases)}  # lazy terms come after
        made = {name: self._make_optimizers[name](self._player_parameters[name]) for name in players}
        for name, optimizer in made.items():
            check_pairs(optimizer, name, [phase.every for phase in self._phases if phase.player == name])
        self._setters = {place: (setter(self, made, place), schedule) for place, schedule in self._schedules.items()}
        self._order = list(made)
        return list(made.values())

    def training_step(self, batch: Batch, batch_idx: int) -> None:
        """Run every phase that is due, then advance the clock. Final."""
        self.images_per_batch = images = len(batch.data) * world_size()
        if batch.data.ndim == 4:
            batch = batch._replace(data=batch.data.contiguous(memory_format=self.memory_format))
        for place, (set_value, schedule) in self._setters.items():
            value = schedule(self.images_seen) * (self.rate_scale if place.endswith(".lr") else 1.0)
            set_value(value)
            self.ledger.note(f"schedule/{place}", value)
        optimizers = dict(zip(self._order, cast("list[Any]", self.optimizers(use_pl_optimizer=True)), strict=True))
        for phase in self._phases:
            if (self.batches_seen + 1) % phase.every == 0:
                self._run(phase, batch, optimizers[phase.player])
                self.after_step(phase, images * phase.every)
        average_buffers(self)
        self.batches_seen += 1
        self.images_seen += images
        self.ledger.close_batch(self.images_seen)
        if self.images_seen >= self.total_images:
            self.trainer.should_stop = True

    def _run(self, phase: Phase, batch: Batch, optimizer: Any) -> None:
        """Freeze the others, differentiate the phase's losses and let its player step."""
        with self.toggled_optimizer(optimizer):
            optimizer.zero_grad(set_to_none=True)
            for part in batch.split(self.accumulate):
                losses = phase.losses(part)
                share = len(part.data) / len(batch.data)
                total = torch.stack([loss.float() for loss in losses.values()]).sum()
                self.manual_backward(total if share == 1 else total * share)
                self.ledger.record(phase.player, losses, share)
            average_gradients(self._player_parameters[phase.player])
            if phase is self._first_phases[phase.player] and self.ledger.is_last(phase.every):
                self.ledger.note(f"{phase.player}/gradient_norm", self._gradient_norm(phase.player))
            optimizer.step()

    def _gradient_norm(self, player: str) -> Tensor:
        """Return the L2 norm of a player's gradient, on the device; a loss scaler's factor is taken out."""
        gradients = [p.grad for p in self._player_parameters[player] if p.grad is not None]
        norm = torch.nn.utils.get_total_norm(gradients)
        scaler = getattr(self.trainer.precision_plugin, "scaler", None)
        return norm if scaler is None else norm / scaler.get_scale()

    def term_states(self) -> dict[str, Any]:
        """Return what stateful terms keep besides modules, for checkpoints; plain containers and tensors."""
        return {}

    def load_term_states(self, states: dict[str, Any]) -> None:
        """Restore what :meth:`term_states` gave."""

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the clock, every rank's random state and the terms' states."""
        states: list[Any] = [rng.get_state()]
        if world_size() > 1:
            mine, states = states[0], [None] * world_size()
            torch.distributed.all_gather_object(states, mine)
        checkpoint["ganforge"] = {
            "images_seen": self.images_seen,
            "batches_seen": self.batches_seen,
            "rng": states,
            "rate_scale": self.rate_scale,
            "terms": self.term_states(),
            "wandb_run_id": next((x.version for x in self.trainer.loggers if isinstance(x, WandbLogger)), None),
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take back what :meth:`on_save_checkpoint` added; random states wait for the first batch."""
        state = checkpoint["ganforge"]
        self.images_seen, self.batches_seen = state["images_seen"], state["batches_seen"]
        self.ledger.batches = self.batches_seen
        self.rate_scale = state.get("rate_scale", 1.0)
        self.load_term_states(state["terms"])
        if rank() < len(state["rng"]):
            self._restored_rng = state["rng"][rank()]

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Put a restored random state in place as late as can be, so that setting up has not consumed any of it."""
        if self._restored_rng is not None:
            rng.set_state(self._restored_rng)
            self._restored_rng = None

    def on_train_batch_end(self, outputs: object, batch: Batch, batch_idx: int) -> None:
        """Raise what the ledger complains of, after the callbacks have seen it."""
        self.ledger.check()

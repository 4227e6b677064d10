"""A module that resumes from its checkpoints exactly: the clock, random states, and state outside of modules."""

from collections.abc import Mapping, Sequence
from typing import Protocol, TypedDict

import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.optim import Optimizer

from ganforge import __version__
from ganforge.core import rng
from ganforge.core.distributed import of_every_rank, rank
from ganforge.core.errors import GanforgeError
from ganforge.models.contents import Checkpoint, Progress, networks_misfit, optimizers_misfit, require

__all__ = ["Resumable", "Stateful"]


class Stateful(Protocol):
    """An object that is no module and has state to save in checkpoints."""

    def state_dict(self) -> dict[str, Tensor]:
        """Return the state for checkpoints."""

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Restore the state of :meth:`state_dict`."""


class ExtraState(TypedDict):
    """What a module's ``state_dict`` holds besides tensors."""

    rate_scale: float
    parts: dict[str, dict[str, Tensor]]


class Resumable(pl.LightningModule):
    """A module with a clock, whose ``state_dict`` also holds stateful parts that are no modules.

    Attributes:
        images_seen: the clock, in real images over all ranks.
        batches_seen: batches trained on.
        rate_scale: multiplies the learning rates that schedules give; rolling a run back lowers it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.images_seen = 0
        self.batches_seen = 0
        self.rate_scale = 1.0
        self._restored_rng: rng.RandomState | None = None
        #: The checkpoint whose optimizers are to be fitted, and whether they are to be loaded here, not by Lightning.
        self._restored_optimizers: tuple[Checkpoint, bool] | None = None

    def stateful(self) -> Mapping[str, Stateful]:
        """Return by name the stateful parts that are no modules."""
        return {}

    def get_extra_state(self) -> ExtraState:
        """Return the state of :meth:`stateful`, as part of ``state_dict``."""
        parts = {name: part.state_dict() for name, part in self.stateful().items()}
        return {"rate_scale": self.rate_scale, "parts": parts}

    def set_extra_state(self, state: ExtraState) -> None:
        """Restore the state of :meth:`get_extra_state`; a part that is not in it keeps its present state."""
        self.rate_scale = state["rate_scale"]
        for name, part in self.stateful().items():
            if name in state["parts"]:
                part.load_state_dict(state["parts"][name])

    def progress(self) -> Progress:
        """Return the clock and every rank's random state; a collective call."""
        return {
            "version": __version__,
            "images_seen": self.images_seen,
            "batches_seen": self.batches_seen,
            "rng": of_every_rank(rng.get_state()),
        }

    def on_save_checkpoint(self, checkpoint: dict[str, object]) -> None:
        """Add :meth:`progress`."""
        checkpoint["ganforge"] = self.progress()

    def on_load_checkpoint(self, checkpoint: Mapping[str, object]) -> None:
        """Restore what :meth:`on_save_checkpoint` added; random states wait for the first batch.

        Raises:
            GanforgeError: if something is missing, or it holds other networks; naming what.
        """
        saved = require(checkpoint, "resume")
        self._check_networks(saved["state_dict"])
        self.restore(saved["ganforge"])
        self._restored_optimizers = saved, False
        self._await_random_state(saved)

    def restore(self, progress: Progress) -> None:
        """Restore the clock of :meth:`progress`."""
        self.images_seen, self.batches_seen = progress["images_seen"], progress["batches_seen"]

    def begin_from(self, checkpoint: Mapping[str, object], networks: Sequence[str] | None, *, keep_clock: bool) -> None:
        """Begin a run of another configuration from a checkpoint; called before training.

        Learning rates and the optimizers' other options stay those of this module.

        Args:
            checkpoint: as loaded.
            networks: the networks to take, with their averages; ``None`` takes everything: all networks, the states of
                optimizers and terms, and the random state.
            keep_clock: whether the clock goes on from the checkpoint's; else it begins at 0.

        Raises:
            GanforgeError: if something is missing or does not fit; naming what.
        """
        saved = require(checkpoint, "fork" if networks is not None else "resume")
        if networks is None:
            self._check_networks(saved["state_dict"])
            self.load_state_dict(saved["state_dict"])
            self.rate_scale = 1.0
            self._restored_optimizers = saved, True
            self._await_random_state(saved)
        else:
            for name in networks:
                self._take_network(name, saved["state_dict"])
        if keep_clock:
            progress = require(checkpoint, "sample")["ganforge"]
            self.images_seen, self.batches_seen = progress["images_seen"], progress.get("batches_seen", 0)

    def _take_network(self, name: str, state: Mapping[str, object]) -> None:
        """Load one network, and its average: from the checkpoint's, or where that has none from the weights."""
        own = dict(self.named_children())
        tensors = _below(name, state)
        if name not in own or not tensors:
            there = sorted({key.partition(".")[0] for key, value in state.items() if isinstance(value, Tensor)})
            raise GanforgeError(
                f"start.networks names '{name}': the checkpoint holds {', '.join(there)}, and this configuration "
                f"{', '.join(sorted(own))}; name networks that are in both."
            )
        average = own.get(f"{name}_ema")
        wanted = {f"{name}.{key}": value for key, value in tensors.items()}
        misfit = networks_misfit(torch.nn.ModuleDict({name: own[name]}), wanted)
        if misfit is not None:
            raise GanforgeError(f"The checkpoint's networks are not those of this configuration: {misfit}.")
        own[name].load_state_dict(tensors)
        if average is not None:
            average.load_state_dict(_below(f"{name}_ema", state) or tensors)

    def _check_networks(self, state: Mapping[str, object]) -> None:
        misfit = networks_misfit(self, state)
        if misfit is not None:
            raise GanforgeError(
                f"The checkpoint's networks are not those of this configuration: {misfit}. 'start={{run: RUN, "
                "networks: [NAME]}' begins a run from those that are alike."
            )

    def _await_random_state(self, checkpoint: Checkpoint) -> None:
        states = checkpoint["ganforge"]["rng"]
        if rank() < len(states):
            self._restored_rng = states[rank()]

    def fit_optimizers(self, made: Mapping[str, Optimizer]) -> None:
        """Check the restored optimizers' states against those just made, by player, and load them where that is due.

        Raises:
            GanforgeError: if they are of another kind.
        """
        if self._restored_optimizers is None:
            return
        (checkpoint, is_due), self._restored_optimizers = self._restored_optimizers, None
        states = checkpoint["optimizer_states"]
        misfit = optimizers_misfit(made, states, checkpoint["ganforge"].get("optimizers"))
        if misfit is not None:
            raise GanforgeError(
                f"The checkpoint's optimizers are not those of this configuration: {misfit}. 'start={{run: RUN, "
                f"networks: [{', '.join(made)}]}}' begins a run from the networks without them."
            )
        if is_due:
            for optimizer, state in zip(made.values(), states, strict=True):
                groups = zip(state["param_groups"], optimizer.state_dict()["param_groups"], strict=True)
                optimizer.load_state_dict({"state": state["state"], "param_groups": [{**a, **b} for a, b in groups]})

    def on_train_batch_start(self, batch: object, batch_idx: int) -> None:
        """Restore a checkpoint's random state as late as possible, so that setup consumes none of it."""
        if self._restored_rng is not None:
            rng.set_state(self._restored_rng)
            self._restored_rng = None


def _below(name: str, state: Mapping[str, object]) -> dict[str, object]:
    """Return the entries of one network, by their names in it."""
    return {key.removeprefix(f"{name}."): value for key, value in state.items() if key.startswith(f"{name}.")}

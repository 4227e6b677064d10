"""A module that goes on from its checkpoints to the bit: the clock, random states, and what is no tensor by place."""

from collections.abc import Mapping
from typing import Any, Protocol

import pytorch_lightning as pl
import torch
from torch import Tensor

from ganforge import __version__
from ganforge.core import rng
from ganforge.core.distributed import rank, world_size
from ganforge.core.errors import GanforgeError

__all__ = ["Resumable", "Stateful", "check_checkpoint"]


class Stateful(Protocol):
    """Something that is no module and keeps tensors from one step to another."""

    def state_dict(self) -> dict[str, Tensor]:
        """Return what to keep in checkpoints."""

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Restore what :meth:`state_dict` gave."""


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
        self._restored_rng: dict[str, object] | None = None

    def stateful(self) -> Mapping[str, Stateful]:
        """Return by name what ``state_dict`` is to hold besides modules."""
        return {}

    def get_extra_state(self) -> dict[str, object]:
        """Return the part of ``state_dict`` that is no tensor by place."""
        parts = {name: part.state_dict() for name, part in self.stateful().items()}
        return {"rate_scale": self.rate_scale, "parts": parts}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Restore what :meth:`get_extra_state` gave; a part that was not there keeps its present state."""
        self.rate_scale = state["rate_scale"]
        for name, part in self.stateful().items():
            if name in state["parts"]:
                part.load_state_dict(state["parts"][name])

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the clock and every rank's random state."""
        checkpoint["ganforge"] = {
            "version": __version__,
            "images_seen": self.images_seen,
            "batches_seen": self.batches_seen,
            "rng": _random_states(),
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take back what :meth:`on_save_checkpoint` added; random states wait for the first batch.

        Raises:
            GanforgeError: see :func:`check_checkpoint`.
        """
        check_checkpoint(checkpoint)
        state = checkpoint["ganforge"]
        self.images_seen, self.batches_seen = state["images_seen"], state["batches_seen"]
        if rank() < len(state["rng"]):
            self._restored_rng = state["rng"][rank()]

    def on_train_batch_start(self, batch: object, batch_idx: int) -> None:
        """Put a restored random state in place as late as can be, so that setting up has not consumed any of it."""
        if self._restored_rng is not None:
            rng.set_state(self._restored_rng)
            self._restored_rng = None


def _random_states() -> list[dict[str, object]]:
    """Return every rank's random state; a collective call."""
    mine = rng.get_state()
    states = [mine] * world_size()
    if world_size() > 1:
        torch.distributed.all_gather_object(states, mine)
    return states


def check_checkpoint(checkpoint: Mapping[str, Any]) -> None:
    """Refuse a checkpoint that lacks what a module goes on from.

    Raises:
        GanforgeError: if the clock is not in it, or the module's extra state.
    """
    if "ganforge" not in checkpoint or "_extra_state" not in checkpoint.get("state_dict", {}):
        version = checkpoint.get("ganforge", {}).get("version")
        writer = f"ganforge {version}" if version else "an older ganforge or another program"
        raise GanforgeError(
            f"The checkpoint was written by {writer} and lacks what ganforge {__version__} keeps in one: go on with "
            "the version that wrote it, or start over with force=true."
        )

"""Phases: who steps, on which losses, and what comes before and after."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ganforge.data.columns import Batch

__all__ = ["Losses", "Phase"]


@dataclass(frozen=True)
class Losses:
    """What a phase computes on a batch, or on a part of one.

    Attributes:
        values: scalars by name, already weighted; their sum is differentiated.
        logs: detached tensors by full name, such as ``discriminator/real_logits``, whose means are logged at the end
            of an interval; so nothing is computed for the log on other batches.
    """

    values: Mapping[str, Tensor]
    logs: Mapping[str, Tensor] = field(default_factory=dict)

    def total(self) -> Tensor:
        """Return the sum of all values, float32."""
        return torch.stack([value.float() for value in self.values.values()]).sum()

    def detach(self) -> "Losses":
        """Return the same losses without their graph."""
        return Losses({name: value.detach() for name, value in self.values.items()}, self.logs)

    def __or__(self, other: "Losses") -> "Losses":
        """Return both together, for a player of several games."""
        return Losses({**self.values, **other.values}, {**self.logs, **other.logs})


def _nothing() -> None:
    """Prepare nothing."""


def _no_logs(parts: Sequence[Losses], images: int) -> Mapping[str, Tensor]:
    """Do nothing after a step, and log nothing."""
    return {}


@dataclass(frozen=True)
class Phase:
    """One optimizer step of one player.

    Attributes:
        player: whose parameters step; all others are frozen meanwhile.
        losses: computes the losses of a batch, or of each part of one where gradients are accumulated.
        every: the phase runs on each ``every``-th batch.
        before: called once, before the first part.
        after: called with all parts' losses, detached, and the images that the step used over all ranks, once the
            player has stepped; returns further logs.
        own_batch: losses are of a batch of the phase's own, where the data module gives any; else of the step's.
        moves_all: the player's parameters that the losses do not contain step on a gradient of zero, so that Adam's
            moments decay; else they are left alone.
    """

    player: str
    losses: Callable[[Batch], Losses]
    every: int = 1
    before: Callable[[], None] = _nothing
    after: Callable[[Sequence[Losses], int], Mapping[str, Tensor]] = _no_logs
    own_batch: bool = False
    moves_all: bool = False

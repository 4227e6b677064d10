"""The loss log: kept on the device, read once an interval, checked for values that are not finite."""

import math
from collections.abc import Mapping
from typing import TypedDict

import torch
from torch import Tensor

from ganforge.core.distributed import any_rank
from ganforge.core.errors import GanforgeError

__all__ = ["Ledger", "LedgerState"]


class LedgerState(TypedDict):
    """The open interval of a :class:`Ledger`: by name, sums and shares of losses, and notes."""

    sums: dict[str, float]
    shares: dict[str, float]
    notes: dict[str, float]


class Ledger:
    """Collects each phase's losses without waiting for the device; means are read each ``log_every`` batches.

    A loss that was not finite on any rank waits as ``error`` on all of them until :meth:`check` raises it, at the
    end of the batch; until then a callback may recover (a rollback).

    Args:
        log_every: batches in an interval.
    """

    def __init__(self, log_every: int) -> None:
        self._log_every = log_every
        #: Batches trained on, over the whole run: intervals end at multiples of ``log_every``, resumed or not.
        self.batches = 0
        self._pending: list[tuple[tuple[str, ...], Tensor, float]] = []
        #: Of what the interval has had so far and was read: sums, and the shares of batches in them.
        self._sums: dict[str, float] = {}
        self._shares: dict[str, float] = {}
        self._notes: dict[str, float | Tensor] = {}
        #: Means of the last interval that was read, by ``player/term``.
        self.latest: dict[str, float] = {}
        #: The clock of an interval that has been read and not logged yet; the logging callback resets it to ``None``.
        self.fresh: int | None = None
        #: The error of a loss that was not finite.
        self.error: GanforgeError | None = None

    @property
    def due(self) -> bool:
        """Whether the batch being processed closes an interval: the time to compute values only for the log."""
        return (self.batches + 1) % self._log_every == 0

    def is_last(self, every: int) -> bool:
        """Whether what runs on each ``every``-th batch runs now for the last time in this interval."""
        return self.batches % self._log_every + every >= self._log_every

    def note(self, name: str, value: float | Tensor) -> None:
        """Log a number, or a detached tensor's mean, as it is at the interval's end; the last one given counts."""
        self._notes[name] = value

    def record(self, player: str, losses: Mapping[str, Tensor], share: float) -> None:
        """Add one backward's losses; ``share`` is its part of the batch."""
        names = tuple(f"{player}/{name}" for name in losses)
        self._pending.append((names, torch.stack([loss.detach().float() for loss in losses.values()]), share))

    def close_batch(self, images_seen: int) -> None:
        """End a batch; at an interval's end take the means."""
        self.batches += 1
        if self.batches % self._log_every == 0:
            self.take(images_seen)

    def read(self, images_seen: int) -> None:
        """Take everything pending into ``latest``.

        Raises:
            GanforgeError: if a loss was not finite; it names the first such loss.
        """
        self.take(images_seen)
        self.check()

    def check(self) -> None:
        """Raise ``error``, if there is one.

        Raises:
            GanforgeError: if a loss was not finite.
        """
        if self.error is not None:
            raise self.error

    def clear(self) -> None:
        """Drop ``error`` and everything pending, as after a rollback."""
        self.error = None
        self._pending.clear()
        self._start_interval()

    def _start_interval(self) -> None:
        self._sums, self._shares = {}, {}
        self._notes.clear()

    def take(self, images_seen: int) -> None:
        """Take everything pending into ``latest``, or into ``error`` if a loss was not finite; on all ranks."""
        self.fold(images_seen)
        if not self._sums or self.error is not None:
            return
        self.latest = {name: self._sums[name] / self._shares[name] for name in self._sums}
        self.latest |= {name: _plain(value) for name, value in self._notes.items()}
        self.fresh = images_seen
        self._start_interval()

    def fold(self, images_seen: int) -> None:
        """Read what waits on the device into the interval's sums, and leave the interval open; on all ranks.

        A loss that was not finite becomes the ``error``.
        """
        if not self._pending or self.error is not None:
            return
        values = torch.cat([entry for _, entry, _ in self._pending]).tolist()
        names = [name for entry in self._pending for name in entry[0]]
        shares = [entry[2] for entry in self._pending for _ in entry[0]]
        lost = [(name, value) for name, value in zip(names, values, strict=True) if not math.isfinite(value)]
        if any_rank(bool(lost), self._pending[0][1].device):
            self.error = _not_finite(*(lost or [(names[0], math.nan)])[0], images_seen)
            return
        for name, value, share in zip(names, values, shares, strict=True):
            self._sums[name] = self._sums.get(name, 0.0) + value * share
            self._shares[name] = self._shares.get(name, 0.0) + share
        self._pending.clear()

    def state_dict(self) -> LedgerState:
        """Return the open interval after :meth:`fold`, as plain containers."""
        notes = {name: _plain(value) for name, value in self._notes.items()}
        return {"sums": dict(self._sums), "shares": dict(self._shares), "notes": notes}

    def load_state_dict(self, state: LedgerState) -> None:
        """Restore what :meth:`state_dict` gave: the interval goes on as if nothing had come between."""
        self._sums, self._shares, self._notes = dict(state["sums"]), dict(state["shares"]), dict(state["notes"])


def _plain(value: float | Tensor) -> float:
    return float(value.mean()) if isinstance(value, Tensor) else value


def _not_finite(name: str, value: float, images_seen: int) -> GanforgeError:
    player, term = name.split("/", 1)
    return GanforgeError(
        f"The {player}'s loss '{term}' became {value} shortly before {images_seen:,} images: training has diverged, "
        f"and the "
        "checkpoints kept are from before. Lower the learning rate or the term's weight, or train with "
        "trainer.precision=32-true."
    )

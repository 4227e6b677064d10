"""Ctrl-C, SIGTERM, SIGHUP and SLURM's signals as a request to stop after the current batch."""

import signal
import time
from types import FrameType

import torch

from ganforge.core.annotations import Count
from ganforge.core.console import say
from ganforge.core.distributed import world_size
from ganforge.core.signals import Handlers, handle, restore
from ganforge.core.sweep import stop_requested

__all__ = ["Interrupt"]


class Interrupt:
    """Turns the first signal into a clean stop after the current batch; a second Ctrl-C stops at once.

    A run of a sweep also stops when the sweep does, which is checked once a second. Several ranks agree on
    stopping each ``agree_every`` batches, so that none waits for one that has left.

    Args:
        agree_every: batches between two agreements of the ranks.
    """

    def __init__(self, agree_every: Count = 20) -> None:
        self.agree_every = agree_every
        self._received: int | None = None
        self._previous: Handlers = {}
        self._batches = 0
        self._checked = 0.0

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._received is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        self._received = number
        say(f"{signal.Signals(number).name} received: finishing this batch, then saving.")

    def install(self) -> None:
        """Install the signal handlers, after Lightning has installed its own."""
        try:
            self._previous = handle(self._handle)
        except ValueError:  # not the main thread, which handles signals
            self._previous = {}

    def restore(self) -> None:
        """Restore the previous handlers, for the next run of a sweep."""
        restore(self._previous)
        self._previous = {}

    def requested(self, device: torch.device) -> int | None:
        """Return the number of the signal that all ranks stop for now, or ``None``; called on all ranks each batch."""
        self._check_sweep()
        if world_size() == 1:
            return self._received
        self._batches += 1
        if self._batches % self.agree_every:
            return None
        flag = torch.tensor([self._received or 0], device=device)
        torch.distributed.all_reduce(flag, op=torch.distributed.ReduceOp.MAX)
        self._received = int(flag) or None
        return self._received

    def _check_sweep(self) -> None:
        """Treat the sweep's stop as a Ctrl-C."""
        now = time.monotonic()
        if self._received is None and now - self._checked >= 1:
            self._checked = now
            if stop_requested():
                self._received = signal.SIGINT

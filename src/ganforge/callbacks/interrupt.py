"""Ctrl-C, SIGTERM and SLURM's warnings: finish the batch, save, and say how to go on."""

import signal
import time
from types import FrameType
from typing import Any

import pytorch_lightning as pl
import torch

from ganforge.callbacks.checkpoint import Checkpoint
from ganforge.callbacks.clocked import training_module
from ganforge.core.console import say
from ganforge.core.distributed import world_size
from ganforge.core.signals import SAVE_AND_END
from ganforge.core.sweep import stop_requested

__all__ = ["Interrupt"]


class Interrupt(pl.Callback):
    """Turns the first signal into a clean stop after the current batch; a second Ctrl-C stops at once.

    A run of a sweep also stops when the sweep is asked to, which it looks for once a second. Several ranks agree on
    stopping each ``agree_every`` batches, so that none waits for one that has left.

    Args:
        agree_every: batches between two looks at the other ranks.
    """

    def __init__(self, agree_every: int = 20) -> None:
        self.agree_every = agree_every
        self.received: int | None = None
        self._previous: dict[int, Any] = {}
        self._batches = 0
        self._looked = 0.0

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.received is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.received = number
        say(f"{signal.Signals(number).name} received: finishing this batch, then saving.")

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Install the handlers, after Lightning has installed its own."""
        try:
            self._previous = {number: signal.signal(number, self._handle) for number in SAVE_AND_END}
        except ValueError:  # not the main thread: whoever started this thread handles signals
            self._previous = {}

    def _look_for_stop(self) -> None:
        """Treat the sweep's stop as a Ctrl-C."""
        now = time.monotonic()
        if self.received is None and now - self._looked >= 1:
            self._looked = now
            if stop_requested():
                self.received = signal.SIGINT

    def _agreed(self, device: torch.device) -> int | None:
        self._look_for_stop()
        if world_size() == 1:
            return self.received
        self._batches += 1
        if self._batches % self.agree_every:
            return None
        flag = torch.tensor([self.received or 0], device=device)
        torch.distributed.all_reduce(flag, op=torch.distributed.ReduceOp.MAX)
        return int(flag) or None

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: object,
        batch: object,
        batch_idx: int,
    ) -> None:
        """Save and stop if a signal came."""
        number = self._agreed(pl_module.device)
        module = training_module(pl_module)
        if number is None or module.images_seen >= module.total_images:
            return
        self.received = number
        for callback in trainer.callbacks:  # type: ignore[attr-defined]
            if isinstance(callback, Checkpoint):
                callback.save(trainer, module)
        trainer.should_stop = True

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Put the previous handlers back: Lightning calls no teardown then, and the next run of a sweep is to come."""
        self._restore()

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Put the previous handlers back."""
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous = {}

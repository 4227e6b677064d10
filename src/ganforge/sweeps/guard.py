"""One run of a sweep, isolated so that its failure stops no other."""

import gc
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from omegaconf import DictConfig

from ganforge.core.errors import Stopped
from ganforge.core.messages import error_message
from ganforge.core.signals import SLURM_WARNINGS, ignore
from ganforge.core.sweep import ask_to_stop, run_of_a_sweep
from ganforge.sweeps.share import claim_devices

__all__ = ["Guard"]


@dataclass
class Guard:
    """Trains one run, and returns how it ended whatever happened, so that no launcher gives up the others.

    It is sent to a launcher's workers.

    Attributes:
        task: what trains a composed configuration.
        name: the sweep's name.
        labels: of each run, by its folder.
        stop: the file that asks all runs to save and end, and those not started not to.
        devices: ``CUDA_VISIBLE_DEVICES`` of each worker on this machine; empty where the launcher sees to it.
        queues: whether each run is a job of its own, which may queue itself again; else the sweep does it for all.
        side_by_side: whether runs share the console, and so name themselves on it.
        parent: the process that launches.
    """

    task: Callable[[DictConfig], object]
    name: str
    labels: dict[str, str]
    stop: Path
    devices: Sequence[str]
    queues: bool
    side_by_side: bool
    parent: int

    def __call__(self, config: DictConfig) -> dict[str, object]:
        """Train; return ``state`` (finished, failed, stopped or waiting), ``error`` and ``seconds``."""
        if self.stop.exists():
            return {"state": "waiting", "error": "", "seconds": 0.0}
        if os.getpid() != self.parent:
            claim_devices(self.stop.parent / "places", self.devices)
            _leave_to_the_stop_file()
        if not self.queues:
            config.requeue = False
        label = self.labels[str(config.paths.run)]
        started = time.monotonic()
        with run_of_a_sweep(self.name, label if self.side_by_side else "", self.stop):
            if not self.side_by_side:
                print(f"\n[{label}]", flush=True)  # noqa: T201
            state, error = self._attempt(config)
        _tidy()
        return {"state": state, "error": error, "seconds": time.monotonic() - started}

    def _attempt(self, config: DictConfig) -> tuple[str, str]:
        try:
            self.task(config)
        except Stopped as stop:
            if stop.exit_code == 128 + signal.SIGINT or os.getpid() == self.parent:
                ask_to_stop(self.stop, stop.exit_code - 128)
            return "stopped", str(stop)
        except Exception as error:
            if config.trace:
                import traceback

                traceback.print_exc()
            message = error_message(error)
            print(f"ganforge: {message}", file=sys.stderr, flush=True)  # noqa: T201
            return "failed", message
        return "finished", ""


def _leave_to_the_stop_file() -> None:
    """Ignore signals that reach workers too, except in training, which saves and ends; submitit handles its own."""
    warnings = () if "SUBMITIT_EXECUTOR" in os.environ else SLURM_WARNINGS
    with suppress(ValueError):  # not in a main thread
        ignore((signal.SIGINT, signal.SIGHUP, *warnings))


def _tidy() -> None:
    """Free what a run held, before the next one in this process."""
    gc.collect()
    if "torch" in sys.modules:
        import torch

        if torch.cuda.is_initialized():
            torch.cuda.empty_cache()

"""The signals that end a run or a sweep in order. Imports nothing heavy."""

import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

__all__ = ["SAVE_AND_END", "SLURM_WARNINGS", "handled_by", "ignore"]

#: What SLURM is asked to send before a job's time is over: our template asks for SIGUSR1, submitit for SIGUSR2.
SLURM_WARNINGS = (signal.SIGUSR1, signal.SIGUSR2)

#: What asks a run to save and end.
SAVE_AND_END = (signal.SIGINT, signal.SIGTERM, *SLURM_WARNINGS)


@contextmanager
def handled_by(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Let a function handle every signal of ``SAVE_AND_END``, and put the previous handlers back."""
    previous = {number: signal.signal(number, handler) for number in SAVE_AND_END}
    try:
        yield
    finally:
        for number, before in previous.items():
            signal.signal(number, before)


def ignore(numbers: Sequence[signal.Signals]) -> None:
    """Ignore signals from now on."""
    for number in numbers:
        signal.signal(number, signal.SIG_IGN)

"""The signals that end a run or a sweep in order. Imports nothing heavy."""

import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType

__all__ = ["SAVE_AND_END", "SLURM_WARNINGS", "Handlers", "handle", "handled_by", "ignore", "restore"]

#: What SLURM is asked to send before a job's time is over: our template asks for SIGUSR1, submitit for SIGUSR2.
SLURM_WARNINGS = (signal.SIGUSR1, signal.SIGUSR2)

#: What asks a run to save and end. SIGHUP: the terminal was closed, or the connection to it.
SAVE_AND_END = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, *SLURM_WARNINGS)

Handler = Callable[[int, FrameType | None], object]
#: What Python gives as a signal's handler: a function, ``SIG_DFL`` or ``SIG_IGN``, ``None`` for one not set in Python.
Handlers = Mapping[int, Handler | int | None]


def handle(handler: Handler) -> Handlers:
    """Let a function handle every signal of ``SAVE_AND_END``; return the previous handlers.

    A SIGHUP that is ignored stays so: the run was started with nohup.

    Raises:
        ValueError: outside the main thread.
    """
    ignored = signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    handled = [number for number in SAVE_AND_END if not (ignored and number == signal.SIGHUP)]
    return {number: signal.signal(number, handler) for number in handled}


def restore(handlers: Handlers) -> None:
    """Put back the handlers that :func:`handle` returned."""
    for number, handler in handlers.items():
        signal.signal(number, handler)


@contextmanager
def handled_by(handler: Handler) -> Iterator[None]:
    """Let a function handle every signal of ``SAVE_AND_END``, and put the previous handlers back."""
    previous = handle(handler)
    try:
        yield
    finally:
        restore(previous)


def ignore(numbers: Sequence[signal.Signals]) -> None:
    """Ignore signals from now on."""
    for number in numbers:
        signal.signal(number, signal.SIG_IGN)

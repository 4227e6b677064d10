"""What a run of a sweep knows of the sweep: three environment variables, so that its child processes know it too."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["ask_to_stop", "asked_to_stop", "inside_a_sweep", "label", "run_of_a_sweep", "stop_requested"]

_NAME = "GANFORGE_SWEEP"
_LABEL = "GANFORGE_SWEEP_LABEL"
_STOP = "GANFORGE_SWEEP_STOP"


@contextmanager
def run_of_a_sweep(name: str, label: str, stop: Path) -> Iterator[None]:
    """Mark everything inside, child processes too, as a run of a sweep.

    Args:
        name: the sweep's name; Weights & Biases groups by it.
        label: what the run's lines on the console begin with; empty where runs do not share it.
        stop: the file whose existence asks the run to save and end.
    """
    values = {_NAME: name, _LABEL: label, _STOP: str(stop)}
    before = {key: os.environ.get(key) for key in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for key, value in before.items():
            if value is None:
                os.environ.pop(key, None)
            else:
                os.environ[key] = value


def inside_a_sweep() -> bool:
    """Whether this process trains a run of a sweep."""
    return _NAME in os.environ


def label() -> str:
    """Return what this run's lines on the console begin with."""
    return os.environ.get(_LABEL, "")


def ask_to_stop(stop: Path, number: int) -> None:
    """Ask all runs to save and end because of a signal; the first one counts, not what runs make of it."""
    with suppress(FileExistsError), stop.open("x") as file:
        file.write(str(int(number)))


def asked_to_stop(stop: Path) -> int | None:
    """Return the number of the signal for which a sweep was asked to stop, if it was."""
    return int(stop.read_text() or signal.SIGINT) if stop.exists() else None


def stop_requested() -> bool:
    """Whether the sweep was asked to stop."""
    path = os.environ.get(_STOP)
    return path is not None and os.path.exists(path)

"""SLURM: whether a job runs, and queueing a preempted job again. Imports nothing heavy."""

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from ganforge.core.console import say
from ganforge.core.errors import Stopped
from ganforge.core.signals import SLURM_WARNINGS

__all__ = ["is_running", "queued_again", "this_job"]


def this_job() -> str | None:
    """Return the number of the SLURM job that this process belongs to."""
    return os.environ.get("SLURM_JOB_ID")


def is_running(job: str) -> bool:
    """Whether a job other than this one is running; ``False`` where SLURM cannot be asked."""
    if job == this_job():  # queued again: what is recorded is this job's own earlier life
        return False
    state = re.search(r"JobState=(\w+)", _scontrol("show", "job", job))
    return state is not None and state[1] in ("RUNNING", "SUSPENDED", "COMPLETING")


@contextmanager
def queued_again(wanted: bool) -> Iterator[None]:
    """Queue the job again if what is done inside was stopped because SLURM needs its place; the exception goes on.

    Under submitit its own handler does it, since it knows what to call when the job starts again.

    Args:
        wanted: whether a job of one's own (not submitit's) shall be queued again.
    """
    try:
        yield
    except Stopped as stop:
        number = stop.exit_code - 128
        if os.environ.get("SUBMITIT_EXECUTOR"):
            if _must_make_way(number):
                signal.raise_signal(_submitit_signal())  # does not come back where submitit queues again
        elif wanted and this_job() is not None and _must_make_way(number):
            job = str(this_job())
            say(f"Queueing SLURM job {job} again.")
            _scontrol("requeue", job)
        raise


def _must_make_way(number: int) -> bool:
    """Whether a signal means that SLURM needs the place. SIGTERM may be ``scancel``: the job's state decides."""
    if number in SLURM_WARNINGS:
        return True
    return number == signal.SIGTERM and this_job() is not None and _still_wanted(str(this_job()))


def _still_wanted(job: str) -> bool:
    """Whether a job that was sent SIGTERM is being preempted: cancelled ones and those out of time say so at once."""
    state = re.search(r"JobState=(\w+)", _scontrol("show", "job", job))
    return state is not None and state[1] in ("RUNNING", "PREEMPTED")


def _submitit_signal() -> signal.Signals:
    """Return the signal that submitit takes as the order to save and queue again."""
    return signal.Signals[f"SIG{os.environ.get('SUBMITIT_PREEMPT_SIGNAL', 'USR2')}"]


def _scontrol(*words: str) -> str:
    """Return the output of ``scontrol``; empty if it fails, which is reported and no error."""
    try:
        done = subprocess.run(["scontrol", *words], capture_output=True, text=True, check=True, timeout=60)
    except FileNotFoundError:
        return ""
    except (OSError, subprocess.SubprocessError) as error:
        reason = getattr(error, "stderr", None) or error
        say(f"'scontrol {' '.join(words)}' failed: {str(reason).strip()}")
        return ""
    return done.stdout

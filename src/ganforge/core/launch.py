"""Several processes on one machine, started by torch's own launcher.

Lightning's launcher re-runs the command line in each process, which in a sweep would run the whole sweep in each. Here
the composed configuration is written first, and every process reads it: a sweep of multi-process runs is right, and
children know nothing of Hydra.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType

from ganforge.core.errors import GanforgeError, Stopped, StudyError, TakenOver
from ganforge.core.signals import SAVE_AND_END, handled_by

__all__ = [
    "STATUSES",
    "environment_processes",
    "environment_rank",
    "error_of",
    "exit_status",
    "inside_a_launched_process",
    "launch",
    "supervise",
]

_KEPT = "What the last checkpoint holds is kept: add resume=true to go on."
#: What a study has to know of a process that failed, as the process's exit status.
STATUSES = {81: TakenOver, 82: StudyError}


def inside_a_launched_process() -> bool:
    """Whether torchrun, srun or another launcher has started this process as one of several.

    An allocation alone (``salloc``, or ``sbatch`` without ``srun``) sets SLURM_NTASKS too, but starts one process.
    """
    return "LOCAL_RANK" in os.environ or int(os.environ.get("SLURM_STEP_NUM_TASKS", "1")) > 1


def environment_rank() -> int:
    """Return the number that a launcher gave this process, before there is a process group; 0 without a launcher."""
    if not inside_a_launched_process():
        return 0
    return int(os.environ.get("RANK", os.environ.get("SLURM_PROCID", "0")))


def environment_processes() -> int:
    """Return how many processes a launcher has started, before there is a process group; 1 without a launcher."""
    if not inside_a_launched_process():
        return 1
    return int(os.environ.get("WORLD_SIZE", os.environ.get("SLURM_STEP_NUM_TASKS", "1")))


def exit_status(error: BaseException) -> int:
    """Return the exit status by which :func:`launch` knows what a process has raised."""
    return next((code for code, kind in STATUSES.items() if isinstance(error, kind)), 1)


def error_of(status: int, sentence: str) -> GanforgeError:
    """Return the error behind an exit status."""
    return STATUSES.get(status, GanforgeError)(sentence)


def launch(config: Path, processes: int, module: str, kept: str = _KEPT) -> None:
    """Run ``python -m module config`` in ``processes`` processes and wait for all of them.

    Raises:
        Stopped: after Ctrl-C, SIGTERM or SLURM's warnings, which are passed on once; the processes have saved.
        GanforgeError: if one failed; it has printed why. Both end with ``kept``: what is not lost.
        TakenOver, StudyError: if that is what one has raised.
    """
    command = [sys.executable, "-P", "-m", "ganforge.core.workarounds", "--standalone", f"--nproc-per-node={processes}"]
    command += ["--no-python", sys.executable, "-P", "-m", module, str(config)]
    threads = str(max(1, (os.cpu_count() or 1) // processes))
    environment = {"OMP_NUM_THREADS": threads, **os.environ}
    # A session of its own: Ctrl-C reaches this process alone, which asks the others once to save and end.
    process = subprocess.Popen(command, env=environment, start_new_session=True)
    (code,), received = supervise([process])
    if received is None and code - 128 in SAVE_AND_END:  # a sweep's stop, or a signal that reached the processes alone
        received = code - 128
    if received:
        raise Stopped(f"Stopped. {kept}", 128 + received)
    if code:
        raise error_of(code, f"One of the {processes} processes failed; its own message is above. {kept}")


def supervise(processes: Sequence["subprocess.Popen[bytes]"]) -> tuple[list[int], int | None]:
    """Wait for processes that have sessions of their own; Ctrl-C, SIGTERM and SLURM's warnings reach each, once.

    They are passed on as SIGTERM. A Ctrl-C after that kills the processes and all that they have started.

    Returns:
        their exit codes, and the signal's number if one came.
    """
    received: list[int] = []

    def pass_on(number: int, frame: FrameType | None) -> None:
        if not received:
            for process in processes:
                process.send_signal(signal.SIGTERM)
        elif number == signal.SIGINT:
            for process in processes:
                _kill(process)
        received.append(number)

    with handled_by(pass_on):
        codes = [process.wait() for process in processes]
    return codes, received[0] if received else None


def _kill(process: "subprocess.Popen[bytes]") -> None:
    """Kill a process that does not end when asked, and those below it, which may have sessions of their own."""
    if process.poll() is not None:
        return
    for number in [process.pid, *_below(process.pid)]:
        with suppress(ProcessLookupError):
            os.kill(number, signal.SIGKILL)


def _below(parent: int) -> list[int]:
    """Return a process's children and theirs, where there is a /proc."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            children.setdefault(int(stat.read_text().rpartition(")")[2].split()[1]), []).append(int(stat.parent.name))
    found = list(children.get(parent, []))
    for child in found:  # grows meanwhile
        found += children.get(child, [])
    return found

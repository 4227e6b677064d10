"""A sweep from its plan to its table."""

import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from omegaconf import DictConfig, OmegaConf, read_write

from ganforge.core.console import log_to, say
from ganforge.core.errors import GanforgeError, first_line
from ganforge.core.messages import find_cause
from ganforge.core.signals import handled_by
from ganforge.core.slurm import queued_again
from ganforge.core.sweep import ask_to_stop, asked_to_stop
from ganforge.runs.folder import RunFolder
from ganforge.sweeps.guard import Guard
from ganforge.sweeps.plan import Job, name_of
from ganforge.sweeps.share import Workers, devices_of_workers, fit_launcher, visible_gpus
from ganforge.sweeps.table import Row, conclude, render, rows_of, save

if TYPE_CHECKING:
    from hydra.plugins.launcher import Launcher
    from hydra.types import HydraContext, TaskFunction

__all__ = ["Sweep"]


class Sweep:
    """Launches what a plan leaves to do, and reports the results.

    Args:
        context: Hydra's; launchers compose each run with it.
        task: what trains a composed configuration.
        config: the configuration that Hydra composed for the sweep as a whole.
        jobs: the plan.
        batch: how many runs a launcher is given at once; ``None``: all, or what suits the launcher.
        workers: what the launcher does with them.
    """

    def __init__(
        self,
        context: "HydraContext",
        task: "TaskFunction",
        config: DictConfig,
        jobs: Sequence[Job],
        batch: int | None,
        workers: Workers,
    ) -> None:
        self.context, self.task, self.config, self.jobs = context, task, config, jobs
        self.batch, self.workers = batch, workers
        self.name = name_of(jobs)
        self.folder = Path(config.paths.outputs).absolute() / "sweeps" / self.name
        self.stop = self.folder / "stop"
        self.outcomes: dict[Path, dict[str, object]] = {}

    def run(self) -> list[Row]:
        """Run it; return the table's rows.

        Raises:
            GanforgeError: if the launcher is not installed or cannot start, or a run failed.
            Stopped: after Ctrl-C, SIGTERM or SLURM's warnings.
        """
        todo = [job for job in self.jobs if job.state == "todo"]
        with log_to(None), queued_again(bool(OmegaConf.select(self.config, "requeue"))):
            launcher = self._launcher(todo) if todo else None  # what is not installed is refused before anything else
            self.folder.mkdir(parents=True, exist_ok=True)
            self.stop.unlink(missing_ok=True)
            say(f"Sweep {self.name}: {len(self.jobs)} runs, {len(todo)} to do.")
            if launcher is not None:
                with _asks_to_stop(self.stop):
                    for batch in self._batches(todo):
                        self.launch(launcher, batch)
            rows = rows_of(self.jobs, self.outcomes)
            save(self.folder / "sweep.json", self.name, rows)
            say(f"\n{render(rows)}\n\nThe table is kept in {self.folder / 'sweep.json'}")
            say(f"To compare them: ganforge compare {self.folder}")
            conclude(rows, stopped=asked_to_stop(self.stop))
        return rows

    def _launcher(self, todo: Sequence[Job]) -> "Launcher":
        """Build the launcher that was chosen, sharing the machine out among its workers."""
        from hydra.core.plugins import Plugins

        with read_write(self.config):
            count = fit_launcher(self.workers, self.config, len(todo))
        guard = Guard(
            task=self.task,
            name=self.name,
            labels={str(job.folder): job.label for job in self.jobs},
            stop=self.stop,
            devices=devices_of_workers(visible_gpus(), count) if count is not None and count > 1 else [],
            queues=self.workers.own_jobs,
            side_by_side=count is None or count > 1,
            parent=os.getpid(),
        )
        if self.batch is None and self.workers.places == "here" and self.workers.count_key is None:
            self.batch = count
        return Plugins.instance().instantiate_launcher(
            hydra_context=self.context, task_function=guard, config=self.config
        )

    def _batches(self, todo: Sequence[Job]) -> Iterator[Sequence[Job]]:
        size = self.batch or max(1, len(todo))
        for start in range(0, len(todo), size):
            yield todo[start : start + size]

    def launch(self, launcher: "Launcher", batch: Sequence[Job]) -> None:
        """Launch and wait; a worker that dies takes the launcher with it, and what it left is launched once more."""
        remaining = list(batch)
        for attempt in (1, 2):
            try:
                returned = launcher.launch([list(job.overrides) for job in remaining], initial_job_idx=0)
            except Exception as error:
                if not any(_has_died(job) for job in remaining):
                    raise _sentence(error, self.config) from error
                say(f"A worker process died ({first_line(error)}; out of memory?).")
                if attempt == 2 or not self.workers.relaunch or self.stop.exists():
                    return
                say("Going on with the runs that it took down.")
                remaining = [_to_go_on(job) for job in remaining if not _is_settled(job)]
                continue
            for job, result in zip(remaining, returned, strict=True):
                self.outcomes[job.folder] = result.return_value
            return


def _is_settled(job: Job) -> bool:
    return job.has_begun() and RunFolder(job.folder).status().get("state") in ("finished", "failed")


def _has_died(job: Job) -> bool:
    return job.has_begun() and RunFolder(job.folder).status().get("state") == "running"


def _to_go_on(job: Job) -> Job:
    """Return what to launch again: a run that was to begin anew has begun, and goes on."""
    if not job.has_begun():
        return job
    return replace(job, overrides=tuple(word for word in job.overrides if word != "force=true"))


def _sentence(error: Exception, config: DictConfig) -> GanforgeError:
    """Return a launcher's error at its start as one sentence."""
    cause = find_cause(error)
    if cause is not None:
        return cause
    kind = str(config.hydra.launcher._target_).rpartition(".")[2]
    return GanforgeError(
        f"{kind} could not launch the runs ({first_line(error)}): try hydra/launcher=basic, or debug=true."
    )


@contextmanager
def _asks_to_stop(stop: Path) -> Iterator[None]:
    """Turn the first Ctrl-C, SIGTERM or SLURM's warning into a stop file with its number, which all runs watch for.

    A second Ctrl-C ends at once.

    A run that trains in this process has handlers of its own meanwhile.
    """

    def handle(number: int, frame: FrameType | None) -> None:
        if stop.exists() and number == signal.SIGINT:
            raise KeyboardInterrupt
        ask_to_stop(stop, number)
        say("Stopping the sweep: runs in progress save first; Ctrl-C again ends at once.")

    with handled_by(handle):
        yield

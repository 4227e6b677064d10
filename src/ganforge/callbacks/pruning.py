"""Reports of a trial to its study, and pruning."""

from collections.abc import Callable, Mapping
from typing import Protocol

from ganforge.core.distributed import agreed, rank
from ganforge.core.errors import StudyError, TakenOver
from ganforge.core.launch import error_of, exit_status
from ganforge.models.base import AdversarialModule

__all__ = ["Pruning", "Reporter"]


class Reporter(Protocol):
    """A running trial's line to its study."""

    @property
    def owner(self) -> Mapping[str, object] | None:
        """The process that trains the trial, as the study knows it now."""

    def __call__(self, measured: Mapping[str, float], step: int) -> bool:
        """Report the objective among the values just measured; return whether the trial should end."""


class Pruning:
    """Reports the objective to the study at each evaluation, and stops the run where its pruner decides so.

    A report is placed at the multiple of the evaluation's interval that the clock has passed, so that trials whose
    batches differ are compared at the same place. Only studies of one objective have it.

    Args:
        number: the trial's.
        owner: the process that trains the trial; when another one has taken it over, this one stops.
        reporter: opens the line to the study; called with ``first`` and ``total``, the images of the first report and
            of the last.
    """

    def __init__(self, number: int, owner: Mapping[str, object], reporter: Callable[..., Reporter]) -> None:
        self.number, self.owner = number, dict(owner)
        self._open = reporter
        self._reporter: Reporter | None = None

    def report(self, module: AdversarialModule, measured: Mapping[str, float], every: float) -> str | None:
        """Report what has just been measured; return why the run should end before its time, or ``None``.

        Args:
            module: whose clock counts.
            measured: the values by name.
            every: images between two evaluations.

        Raises:
            StudyError: if the objective was not measured.
            TakenOver: if another worker has gone on with the trial.
        """
        seen, total = module.images_seen, int(module.total_images)
        step = total if seen >= total else int(seen // every * every)
        status, problem = 0, None
        if rank() == 0:
            try:
                status = int(self._should_prune(measured, step, int(every), total))
            except (StudyError, TakenOver) as error:
                status, problem = exit_status(error), error
        # All ranks raise what rank 0 raises, so that none waits for one that has left.
        status = int(agreed({"status": status}, module.device)["status"])
        if status > 1:
            raise problem or error_of(status, "The trial ends here, for the error that process 0 reports.")
        if status == 1 and seen < total:
            return f"Pruned at {seen:,} of {total:,} images: other trials were better there."
        return None

    def _should_prune(self, measured: Mapping[str, float], step: int, every: int, total: int) -> bool:
        """Send one value to the storage; return the pruner's answer."""
        if self._reporter is None:
            self._reporter = self._open(first=every, total=total)
        if self._reporter.owner != self.owner:
            raise TakenOver(f"Trial {self.number} has been taken over by another worker, and is left to it.")
        return self._reporter(measured, step)

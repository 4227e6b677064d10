"""What a study's trial tells while it trains, and whether it is worth going on."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch

from ganforge.callbacks.clocked import Scoring, training_module
from ganforge.core.distributed import agreed, rank
from ganforge.core.errors import StudyError, TakenOver
from ganforge.core.launch import error_of, exit_status

__all__ = ["Pruning"]


class Pruning(pl.Callback):
    """Reports the objective to the study at each evaluation, and ends the run when the study's pruner says so.

    A report is placed at the multiple of the evaluation's interval that the clock has passed, so that trials whose
    batches differ are compared at the same place. Only studies of one objective have it.

    Args:
        study: the study's ``study.yaml``.
        number: the trial's.
        owner: the process that trains the trial; when another one has taken it over, this one stops.
    """

    def __init__(self, study: str, number: int, owner: Mapping[str, Any]) -> None:
        self.study, self.number, self.owner = Path(study), number, dict(owner)
        #: Why the run was ended early, if it was.
        self.pruned: str | None = None
        self._reporter: Any = None

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: object,
        batch: object,
        batch_idx: int,
    ) -> None:
        """Report what has just been measured."""
        module = training_module(pl_module)
        for callback in trainer.callbacks:  # type: ignore[attr-defined]
            if isinstance(callback, Scoring) and callback.is_due(module):
                seen, total = module.images_seen, module.total_images
                step = total if seen >= total else int(seen // callback.every * callback.every)
                if self._prune(callback, step, total, pl_module.device) and seen < total:
                    self.pruned = f"Pruned at {seen:,} of {total:,} images: other trials were better there."
                    trainer.should_stop = True

    def _prune(self, scoring: Scoring, step: int, total: int, device: torch.device) -> bool:
        """Return rank 0's decision on all ranks; all raise what it raises, so that none waits for one that has left."""
        status, problem = 0, None
        if rank() == 0:
            try:
                status = int(self._report(scoring, step, total))
            except (StudyError, TakenOver) as error:
                status, problem = exit_status(error), error
        status = int(agreed({"status": status}, device)["status"])
        if status > 1:
            raise problem or error_of(status, "The trial ends here, for what process 0 says.")
        return status == 1

    def _report(self, scoring: Scoring, step: int, total: int) -> bool:
        """Send one value to the storage; return whether to stop."""
        from ganforge.tuning.reports import Reporter

        if self._reporter is None:
            self._reporter = Reporter(self.study, self.number, int(scoring.every), total)
        if self._reporter.owner != self.owner:
            raise TakenOver(f"Trial {self.number} has been taken over by another worker, and is left to it.")
        return bool(self._reporter(scoring.last, step))

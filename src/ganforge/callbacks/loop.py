"""The run's loop: one Lightning callback that calls the run's parts between batches in a fixed order."""

from typing import Any, cast

import pytorch_lightning as pl

from ganforge.callbacks.checkpoint import Checkpoint
from ganforge.callbacks.clocked import Clocked
from ganforge.callbacks.ending import Ending
from ganforge.callbacks.evaluate import Evaluate
from ganforge.callbacks.health import Health
from ganforge.callbacks.interrupt import Interrupt
from ganforge.callbacks.progress import Progress
from ganforge.callbacks.pruning import Pruning
from ganforge.callbacks.samples import Curves, SampleGrid
from ganforge.callbacks.scores import Scores
from ganforge.core.distributed import any_rank
from ganforge.data.module import DataModule
from ganforge.loggers.base import Loggers
from ganforge.models.base import AdversarialModule

__all__ = ["RunLoop"]


class RunLoop(pl.Callback):
    """Calls the parts of a run after each batch; any of them may be left out.

    The order is that of :meth:`on_train_batch_end`, whatever the configuration's. Health comes first: weights that are
    not finite are neither evaluated nor saved, and a rollback precedes both. Parts get each other's results as
    arguments. A loss that was not finite is raised by the module, after this callback.

    Attributes:
        scores: what has been measured so far.
        ending: how the run ended; ``None`` while it trains, and after an exception.
    """

    def __init__(
        self,
        *,
        health: Health | None = None,
        evaluate: Evaluate | None = None,
        samples: SampleGrid | None = None,
        progress: Progress | None = None,
        curves: Curves | None = None,
        checkpoint: Checkpoint | None = None,
        interrupt: Interrupt | None = None,
        pruning: Pruning | None = None,
    ) -> None:
        self.health, self.evaluate, self.samples, self.progress = health, evaluate, samples, progress
        self.curves, self.checkpoint, self.interrupt, self.pruning = curves, checkpoint, interrupt, pruning
        clocked: dict[str, Clocked | None] = {
            "health": health,
            "evaluate": evaluate,
            "samples": samples,
            "curves": curves,
            "checkpoint": checkpoint,
        }
        self._clocked = {name: part for name, part in clocked.items() if part is not None}
        stateful: dict[str, Health | Evaluate | None] = {"health": health, "evaluate": evaluate}
        self._stateful = {name: part for name, part in stateful.items() if part is not None}
        self._loggers = Loggers([])
        self.scores = Scores() if evaluate is None else evaluate.scores
        self.ending: Ending | None = None

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Read the data and load what measures, so that what is missing is an error before training."""
        data = getattr(trainer, "datamodule", None)
        self._loggers = Loggers(trainer.loggers)
        if self.health is not None:
            self.health.prepare(data)
        if self.evaluate is not None:
            assert data is not None
            self.evaluate.prepare(_training_module(pl_module), data.splits())

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Open the progress bar and install the signal handlers."""
        if self.progress is not None:
            self.progress.open(_training_module(pl_module))
        if self.interrupt is not None:
            self.interrupt.install()

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: object,
        batch: object,
        batch_idx: int,
    ) -> None:
        """Call the parts, in this order."""
        module = _training_module(pl_module)
        due = {name for name, part in self._clocked.items() if part.is_due(module)}
        if due & {"health", "evaluate", "checkpoint"}:  # each closes the interval of the loss log
            module.ledger.take(module.images_seen)
        self._check_health(trainer, module, due)
        if self.evaluate is not None and "evaluate" in due:
            self.evaluate.measure(module, self._loggers)
        if self.samples is not None and "samples" in due:
            self.samples.draw(module, self._loggers)
        if self.progress is not None:
            self.progress.update(module, self.scores, self._loggers)
        if self.curves is not None and "curves" in due:
            self.curves.draw(self._loggers)
        module.ledger.fresh = None  # what is to be logged has been: the module logs nothing by itself
        self._save_if_due(trainer, module, due)
        self._stop_if_interrupted(trainer, module)
        self._stop_if_pruned(trainer, module, due)

    def _check_health(self, trainer: pl.Trainer, module: AdversarialModule, due: set[str]) -> None:
        """Check health when it is due and before a checkpoint that could be rolled back to, and losses at each."""
        if self.health is None:
            return
        alarm = self.health.check(
            module,
            self._loggers,
            trainer.optimizers,
            measure="health" in due or (self.health.action == "rollback" and "checkpoint" in due),
            extractor=None if self.evaluate is None else self.evaluate.extractor(),
        )
        if alarm is not None:
            if "checkpoint" not in due:
                self._save(trainer, module)
            self._stop(trainer, Ending("unhealthy", self.health.explain(alarm)))

    def _save_if_due(self, trainer: pl.Trainer, module: AdversarialModule, due: set[str]) -> None:
        """Save when it is time, and whenever an evaluation at this very clock was the best so far."""
        if self.checkpoint is None:
            return
        # To save is for all ranks, and values computed on several devices may differ in their last bits.
        is_best = "evaluate" in due and any_rank(self.scores.is_best_at(module.images_seen), module.device)
        if is_best or "checkpoint" in due:
            self._save(trainer, module, is_best=is_best)

    def _save(self, trainer: pl.Trainer, module: AdversarialModule, *, is_best: bool = False) -> None:
        """Write a checkpoint, on all ranks; an interval of the loss log that is open stays so.

        Raises:
            GanforgeError: if a loss since the last check was not finite; nothing is written then.
        """
        if self.checkpoint is None:
            return
        module.ledger.fold(module.images_seen)
        module.ledger.check()
        copies = ["best"] if is_best else []
        if self.health is not None and self.health.is_healthy(module.images_seen):
            self.health.healthy_at = module.images_seen
            copies.append("healthy")
        self.checkpoint.save(trainer.save_checkpoint, copies)

    def _stop_if_interrupted(self, trainer: pl.Trainer, module: AdversarialModule) -> None:
        """Save and stop if a signal came."""
        number = None if self.interrupt is None else self.interrupt.requested(module.device)
        if number is None or module.images_seen >= module.total_images:
            return
        self._save(trainer, module)
        message = (
            f"Stopped and saved at {module.images_seen:,} of {module.total_images:,} images. To go on, repeat the "
            "command with resume=true."
        )
        self._stop(trainer, Ending("interrupted", message, number))

    def _stop_if_pruned(self, trainer: pl.Trainer, module: AdversarialModule, due: set[str]) -> None:
        """Report an evaluation to the study, and stop if the trial is pruned."""
        if self.pruning is None or self.evaluate is None or "evaluate" not in due:
            return
        reason = self.pruning.report(module, self.scores.last, self.evaluate.every)
        if reason is not None:
            self._stop(trainer, Ending("pruned", reason))

    def _stop(self, trainer: pl.Trainer, ending: Ending) -> None:
        """Stop after this batch; the first reason counts."""
        self.ending = self.ending or ending
        trainer.should_stop = True

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Mark a run that nothing has stopped as completed."""
        self.ending = self.ending or Ending("completed")

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Restore the terminal and the signal handlers: Lightning calls no teardown after an exception."""
        self._close()

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Restore the terminal and the signal handlers."""
        self._close()

    def _close(self) -> None:
        if self.progress is not None:
            self.progress.close()
        if self.interrupt is not None:
            self.interrupt.restore()

    def finish(self, module: AdversarialModule, data: DataModule, loggers: Loggers) -> None:
        """End a run that was killed after its last checkpoint: evaluate if that is missing, and draw the curves.

        Args:
            module: with the checkpoint's weights and clock, on its device.
            data: what it was trained on.
            loggers: of the run.
        """
        self._loggers = loggers
        if self.evaluate is not None and self.scores.last.get("images_seen") != module.images_seen:
            self.evaluate.prepare(module, data.splits())
            self.evaluate.measure(module, loggers)
            if self.checkpoint is not None and self.scores.is_best_at(module.images_seen):
                self.checkpoint.keep("best")
        if self.curves is not None:
            self.curves.draw(loggers)
        self.ending = Ending("completed")

    def record(self) -> dict[str, object]:
        """Return what ``run.json`` keeps of the run: its ending, its health, and its scores if it ended as meant to."""
        ending = None if self.ending is None else vars(self.ending)
        health = {} if self.health is None else {"health": self.health.record()}
        scored = self.ending is not None and self.ending.kind in ("completed", "pruned")
        return {"ending": ending, **health, **(self.scores.record() if scored else {})}

    def state_dict(self) -> dict[str, object]:
        """Return the parts' states by name, for checkpoints."""
        return {name: part.state_dict() for name, part in self._stateful.items()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the states of :meth:`state_dict`, for the parts that are still there."""
        for name, part in self._stateful.items():
            if name in state_dict:
                part.load_state_dict(state_dict[name])

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, object]
    ) -> None:
        """Add the loggers' states; they are restored before there is a Trainer."""
        checkpoint["loggers"] = self._loggers.state_dict()


def _training_module(module: pl.LightningModule) -> AdversarialModule:
    """Return ``module`` as what every ganforge run trains."""
    return cast(AdversarialModule, module)

"""Callbacks that run each so many thousand images."""

from typing import Any, cast

import pytorch_lightning as pl

from ganforge.core.errors import GanforgeError
from ganforge.metrics.directions import higher_is_better
from ganforge.models.base import AdversarialModule

__all__ = ["Clocked", "Scoring", "Watching", "log_values", "training_module"]


def training_module(module: pl.LightningModule) -> AdversarialModule:
    """Return ``module`` as what every ganforge run trains."""
    return cast(AdversarialModule, module)


def log_values(trainer: pl.Trainer, values: dict[str, float], images_seen: int, protocol: str | None = None) -> None:
    """Send values to every logger, placed at ``images_seen``; ``protocol`` says how metrics were measured."""
    for logger in trainer.loggers:
        take = getattr(logger, "log_measured", None)
        if protocol is not None and take is not None:
            take(values, images_seen, protocol)
        else:
            logger.log_metrics(values, step=images_seen)


class Clocked(pl.Callback):
    """Calls :meth:`act` whenever the clock passes a multiple of ``every_kimg``, and at the end.

    Whether it is due follows from the clock alone, so a resumed run acts where an uninterrupted one does.

    Args:
        every_kimg: thousands of images between two calls.
    """

    def __init__(self, every_kimg: float) -> None:
        if not every_kimg > 0:
            raise GanforgeError(f"{type(self).__name__}: every_kimg must be > 0, got {every_kimg}.")
        self.every = every_kimg * 1000

    def is_due(self, module: AdversarialModule) -> bool:
        """Whether the batch just trained on passed a multiple of ``every_kimg``, or was the last."""
        now, before = module.images_seen, module.images_seen - module.images_per_batch
        return now // self.every > before // self.every or now >= module.total_images

    def act(self, trainer: pl.Trainer, module: AdversarialModule) -> None:
        """Do it, on all ranks."""

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: object,
        batch: object,
        batch_idx: int,
    ) -> None:
        """Act if it is time."""
        module = training_module(pl_module)
        if self.is_due(module):
            self.act(trainer, module)


class Scoring(Clocked):
    """Measures the model on the clock; remembers the last values and the best ones, in checkpoints too."""

    #: The value that says which measurement is the best.
    criterion: str

    def __init__(self, every_kimg: float) -> None:
        super().__init__(every_kimg)
        self.last: dict[str, float] = {}
        self.best: dict[str, float] = {}
        #: The protocol, name and hash, of each value.
        self.tags: dict[str, str] = {}

    @property
    def criterion_tag(self) -> str:
        """The protocol of the criterion."""
        return self.tags.get(self.criterion, "")

    def keep(self, trainer: pl.Trainer, module: AdversarialModule, values: dict[str, float], tag: str) -> None:
        """Remember and log values measured now under one protocol; the criterion's come first."""
        if self.last.get("images_seen") != module.images_seen:
            self.last = {}
        self.last = {**self.last, **values, "images_seen": module.images_seen}
        self.tags |= dict.fromkeys(values, tag)
        if self.criterion in values and (not self.best or self._is_better(values[self.criterion])):
            self.best = {**values, "images_seen": module.images_seen}
        measured = {f"metrics/{name}": value for name, value in values.items()}
        log_values(trainer, measured, module.images_seen, tag)

    def _is_better(self, value: float) -> bool:
        best = self.best[self.criterion]
        return value > best if higher_is_better(self.criterion) else value < best

    def state_dict(self) -> dict[str, Any]:
        """Keep the best and the last values in checkpoints."""
        return {"last": self.last, "best": self.best}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore what :meth:`state_dict` gave."""
        self.last, self.best = state_dict["last"], state_dict["best"]


class Watching(Clocked):
    """Judges the run's health; what it vouches for is kept beside the other checkpoints as ``healthy.ckpt``."""

    #: The clock of the checkpoint that was kept last.
    healthy_at: int | None = None

    def vouches(self, images_seen: int) -> bool:
        """Whether a checkpoint written at this clock is worth returning to."""
        return False

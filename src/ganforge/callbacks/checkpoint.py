"""Checkpoints on the clock: the last, the one before, and the best."""

import shutil
from pathlib import Path

import pytorch_lightning as pl

from ganforge.callbacks.clocked import Clocked, Scoring, Watching, training_module
from ganforge.core.distributed import any_rank, rank
from ganforge.models.base import AdversarialModule

__all__ = ["Checkpoint"]


class Checkpoint(Clocked):
    """Keeps ``last.ckpt``, ``previous.ckpt`` and ``best.ckpt`` (lowest FID, or reverse KL), each whole at every moment.

    Where a rollback is asked for, ``healthy.ckpt`` is the last one that the run's watch vouched for.

    A checkpoint is written beside its place and moved there, so that a killed process or a full disk loses nothing.
    None is written after a loss was not finite.

    Args:
        folder: where the files go.
        every_kimg: thousands of images between checkpoints.
    """

    def __init__(self, folder: str, every_kimg: float) -> None:
        super().__init__(every_kimg)
        self.folder = Path(folder)

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: object,
        batch: object,
        batch_idx: int,
    ) -> None:
        """Save when it is time, and whenever an evaluation at this very clock was the best so far."""
        module = training_module(pl_module)
        scoring = next((callback for callback in trainer.callbacks if isinstance(callback, Scoring)), None)  # type: ignore[attr-defined]
        # Points are scored on the first rank alone, and to save is for all.
        is_best = (
            scoring is not None
            and scoring.is_due(module)
            and any_rank(scoring.best.get("images_seen") == module.images_seen, module.device)
        )
        if is_best or self.is_due(module):
            self.save(trainer, module)
        if is_best:
            self._keep_as("best")

    def save(self, trainer: pl.Trainer, module: AdversarialModule) -> None:
        """Write ``last.ckpt``; what was there becomes ``previous.ckpt``. Called on all ranks.

        Raises:
            GanforgeError: if a loss since the last look was not finite; nothing is written then.
        """
        module.ledger.read(module.images_seen)
        callbacks: list[pl.Callback] = trainer.callbacks  # type: ignore[attr-defined]
        watches = [callback for callback in callbacks if isinstance(callback, Watching)]
        vouching = [watch for watch in watches if watch.vouches(module.images_seen)]
        for watch in vouching:
            watch.healthy_at = module.images_seen
        temporary, last = self.folder / ".last.part", self.folder / "last.ckpt"
        self.folder.mkdir(parents=True, exist_ok=True)
        trainer.save_checkpoint(temporary)
        if rank() == 0:
            if last.exists():
                last.replace(self.folder / "previous.ckpt")
            temporary.replace(last)
        if vouching:
            self._keep_as("healthy")

    def _keep_as(self, name: str) -> None:
        """Copy ``last.ckpt``, on rank 0."""
        if rank() == 0:
            temporary = self.folder / f".{name}.part"
            shutil.copyfile(self.folder / "last.ckpt", temporary)
            temporary.replace(self.folder / f"{name}.ckpt")

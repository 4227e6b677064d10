"""Diagnosis while training: measures on the clock, alarms, and what an alarm leads to."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import pytorch_lightning as pl
from torch import nn

from ganforge.callbacks.checkpoint import Checkpoint
from ganforge.callbacks.clocked import Scoring, Watching, log_values, training_module
from ganforge.callbacks.evaluate import Evaluate
from ganforge.callbacks.rollback import return_to
from ganforge.core.console import say
from ganforge.core.distributed import agreed, world_size
from ganforge.core.errors import GanforgeError
from ganforge.health.diagnosis import AILMENTS, Alarm, Diagnosis, Thresholds
from ganforge.health.probe import Probe
from ganforge.models.base import AdversarialModule
from ganforge.models.gan import GAN

__all__ = ["Health"]


class Health(Watching):
    """Names collapse, vanishing gradients, divergence and overfitting while training, each with its evidence.

    It comes before the callbacks that evaluate and save. Measures are logged as ``health/<measure>``, the number of
    active alarms as ``health/alarms``, and 1 or 0 as ``health/<ailment>`` when an alarm is raised or clears. It
    measures on every rank, decides by rank 0's values, and uses random numbers of its own. It is silent on points.

    Args:
        checkpoints: the run's checkpoints; ``healthy.ckpt`` among them is what a rollback returns to.
        every_kimg: thousands of images between looks.
        action: ``warn`` tells; ``stop`` also saves and ends the run; ``rollback`` returns to the last healthy
            checkpoint (:func:`~ganforge.callbacks.rollback.return_to`), and stops where there is none.
        acts_on: the ailments that lead to a stop or a rollback; others are told.
        images: samples, and real images of each split, that a look takes at least.
        grace_steps: generator steps before which only divergence is looked for.
        patience: looks in a row that must find an ailment before it is told.
        rollbacks: how many at most in a run; then it stops.
        slow_down: what a rollback multiplies all learning rates by.
        thresholds: where measures become symptoms.
        seed: of latents and of the choice of images.
    """

    def __init__(
        self,
        checkpoints: str,
        every_kimg: float,
        *,
        action: Literal["warn", "stop", "rollback"] = "warn",
        acts_on: Sequence[str] = ("collapse", "vanishing_gradient", "divergence"),
        images: int = 128,
        grace_steps: int = 500,
        patience: int = 3,
        rollbacks: int = 3,
        slow_down: float = 0.5,
        thresholds: Thresholds | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(every_kimg)
        _validate(action, acts_on, images, slow_down)
        self.checkpoints, self.action, self.acts_on = Path(checkpoints), action, tuple(acts_on)
        self.images, self.grace_steps, self.seed = images, grace_steps, seed
        self.limit, self.slow_down = rollbacks, slow_down
        self.diagnosis = Diagnosis(thresholds or Thresholds(), patience)
        self.rollbacks: list[int] = []
        self.stopped_by: Alarm | None = None
        self._looked_at = -1
        self._probe: Probe | None = None

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Find the real images; there is nothing to do where data are points."""
        data = getattr(trainer, "datamodule", None)
        splits = None if data is None else data.splits()
        if (
            splits is not None
            and splits.train.data.values.ndim == 4
            and min(len(splits.train), len(splits.heldout)) > 1
        ):
            self._probe = Probe(splits, self.images, self.seed)

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: object,
        batch: object,
        batch_idx: int,
    ) -> None:
        """Look if it is time, and at once where a loss was not finite."""
        module = training_module(pl_module)
        due = [callback for callback in _clocked(trainer) if callback.is_due(module)]
        if due:
            module.ledger.take(module.images_seen)
        if module.ledger.complaint is not None:
            evidence = str(module.ledger.complaint).partition(":")[0]
            self._respond(trainer, module, self.diagnosis.not_finite(module.images_seen, evidence), [])
        elif self in due or (self.action == "rollback" and any(isinstance(callback, Checkpoint) for callback in due)):
            self.act(trainer, module)

    def act(self, trainer: pl.Trainer, module: AdversarialModule) -> None:
        """Measure, judge, log, tell, and do what was asked for."""
        if self._probe is None:
            return
        parts = -(-module.images_per_batch // (world_size() * module.accumulate))
        values = agreed(self._probe(module, parts, _extractor(trainer, module)), module.device)
        steps = module.n_critic if isinstance(module, GAN) else 1
        grace = self.grace_steps * steps * module.images_per_batch
        raised, cleared = self.diagnosis.look(values, module.images_seen, grace)
        self._looked_at = module.images_seen
        log_values(trainer, {f"health/{name}": value for name, value in values.items()}, module.images_seen)
        self._respond(trainer, module, raised, cleared)

    def _respond(self, trainer: pl.Trainer, module: AdversarialModule, raised: list[Alarm], cleared: list[str]) -> None:
        """Tell alarms everywhere, then act on the first that is to be acted on."""
        changes = {"alarms": float(len(self.diagnosis.active))} | dict.fromkeys(cleared, 0.0)
        changes |= {alarm.name: 1.0 for alarm in raised}
        log_values(trainer, {f"health/{name}": value for name, value in changes.items()}, module.images_seen)
        for alarm in raised:
            say(alarm.told())
            for logger in trainer.loggers:
                log_alarm = getattr(logger, "log_alarm", None)
                if log_alarm is not None:
                    log_alarm(alarm.name.replace("_", " "), alarm.told())
        for name in cleared:
            say(f"Health: {name.replace('_', ' ')} has cleared at {module.images_seen / 1000:,.1f} kimg.")
        grave = next((alarm for alarm in raised if alarm.name in self.acts_on), None)
        if grave is not None and self.action != "warn" and module.images_seen < module.total_images:
            self._act_on(grave, trainer, module)

    def _act_on(self, alarm: Alarm, trainer: pl.Trainer, module: AdversarialModule) -> None:
        if self.action == "rollback" and self.healthy_at is not None and len(self.rollbacks) < self.limit:
            back = return_to(trainer, module, self.checkpoints / "healthy.ckpt", self.slow_down)
            self.rollbacks.append(module.images_seen)
            self.diagnosis.forget()
            say(
                f"Health: rolled back to the weights of {back / 1000:,.1f} kimg ({len(self.rollbacks)} of "
                f"{self.limit}); learning rates are {module.rate_scale:g} times the configured ones from here on."
            )
        elif module.ledger.complaint is None:  # else the ledger ends the run, with its own sentence
            self.stopped_by = alarm
            for callback in _clocked(trainer):
                if isinstance(callback, Checkpoint) and not callback.is_due(module):  # else it saves by itself
                    callback.save(trainer, module)
            trainer.should_stop = True

    def vouches(self, images_seen: int) -> bool:
        """See :class:`Watching`."""
        return self.action == "rollback" and self._looked_at == images_seen and not self.diagnosis.suspects

    def raise_if_stopped(self) -> None:
        """Say why this run has ended.

        Raises:
            GanforgeError: if it was stopped for its health.
        """
        if self.stopped_by is None:
            return
        tried = ""
        if self.action == "rollback":
            tried = f" after {len(self.rollbacks)} rollbacks" if self.rollbacks else ", without a healthy checkpoint"
        raise GanforgeError(
            f"Stopped and saved at {self.stopped_by.images_seen:,} images{tried}, as callbacks.health.action="
            f"{self.action} asks. {self.stopped_by.told()} To go on as it is: resume=true."
        )

    def record(self) -> dict[str, Any]:
        """Return what ``run.json`` keeps."""
        return {
            "alarms": [vars(alarm) for alarm in self.diagnosis.alarms],
            "active": self.diagnosis.active,
            "rollbacks": self.rollbacks,
            "stopped_by": None if self.stopped_by is None else self.stopped_by.name,
        }

    def state_dict(self) -> dict[str, Any]:
        """Keep the course of every ailment in checkpoints."""
        return {
            "diagnosis": self.diagnosis.state_dict(),
            "rollbacks": list(self.rollbacks),
            "healthy_at": self.healthy_at,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore what :meth:`state_dict` gave."""
        self.diagnosis.load_state_dict(state_dict["diagnosis"])
        self.rollbacks, self.healthy_at = list(state_dict["rollbacks"]), state_dict["healthy_at"]


def _validate(action: str, acts_on: Sequence[str], images: int, slow_down: float) -> None:
    if action not in ("warn", "stop", "rollback"):
        raise GanforgeError(f"callbacks.health.action must be warn, stop or rollback, got '{action}'.")
    unknown = sorted(set(acts_on) - AILMENTS.keys())
    if unknown:
        raise GanforgeError(f"callbacks.health.acts_on names {unknown}: choose from {', '.join(AILMENTS)}.")
    if images < 8:
        raise GanforgeError(f"callbacks.health.images must be a whole number >= 8, got {images}.")
    if not 0 < slow_down <= 1:
        raise GanforgeError(f"callbacks.health.slow_down must be above 0 and at most 1, got {slow_down}.")


def _clocked(trainer: pl.Trainer) -> list[Scoring | Checkpoint | Watching]:
    """Return the callbacks that read the ledger when they are due."""
    callbacks: list[pl.Callback] = trainer.callbacks  # type: ignore[attr-defined]
    return [callback for callback in callbacks if isinstance(callback, Scoring | Checkpoint | Watching)]


def _extractor(trainer: pl.Trainer, module: AdversarialModule) -> nn.Module | None:
    """Return the evaluation's feature extractor if it is no larger than the players: a larger one would cost more."""
    for callback in _clocked(trainer):
        if isinstance(callback, Evaluate):
            extractor = callback.extractor()
            sizes = [sum(weight.numel() for weight in part.parameters()) for part in (extractor, module)]
            return extractor if sizes[0] <= sizes[1] else None
    return None

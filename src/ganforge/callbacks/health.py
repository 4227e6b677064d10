"""Diagnosis while training: checks on the clock, alarms, and the action on an alarm."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from torch import nn
from torch.optim import Optimizer

from ganforge.callbacks.clocked import Clocked
from ganforge.callbacks.rollback import return_to
from ganforge.core.annotations import Bounds, Count, Positive, PositiveFraction, Whole
from ganforge.core.console import say
from ganforge.core.distributed import agreed, world_size
from ganforge.core.errors import GanforgeError
from ganforge.data.module import DataModule
from ganforge.health.diagnosis import Alarm, Diagnosis
from ganforge.health.probe import Probe
from ganforge.health.rules import FAILURE_MODES, Thresholds
from ganforge.loggers.base import Loggers
from ganforge.models.base import AdversarialModule

__all__ = ["Health"]


class Health(Clocked):
    """Detects collapse, vanishing gradients, divergence and overfitting while training, each with its evidence.

    Measures are logged as ``health/<measure>``, the number of active alarms as ``health/alarms``, and 1 or 0 as
    ``health/<failure mode>`` when an alarm is raised or clears. It measures on every rank, decides by rank 0's values,
    and uses random numbers of its own.

    Args:
        checkpoints: the run's checkpoints; ``healthy.ckpt`` among them is what a rollback returns to.
        every_kimg: thousands of images between checks.
        action: ``warn`` reports; ``stop`` also saves and ends the run; ``rollback`` returns to the last healthy
            checkpoint (:func:`~ganforge.callbacks.rollback.return_to`), and stops where there is none.
        acts_on: the failure modes that lead to a stop or a rollback; others are reported.
        images: samples, and real ones of each split, that a check takes at least.
        grace_steps: generator steps before which only divergence is checked.
        patience: checks in a row that must find a failure mode before it is reported.
        rollbacks: how many at most in a run; then it stops.
        slow_down: what a rollback multiplies all learning rates by.
        thresholds: limits on the measures.
        seed: of latents and of the choice of real samples.

    Raises:
        GanforgeError: if a value is impossible.

    Attributes:
        healthy_at: the clock of ``healthy.ckpt``, where there is one.
    """

    def __init__(
        self,
        checkpoints: str,
        every_kimg: Positive,
        *,
        action: Literal["warn", "stop", "rollback"] = "warn",
        acts_on: Sequence[str] = ("collapse", "vanishing_gradient", "divergence"),
        images: Annotated[int, Bounds(at_least=8)] = 128,
        grace_steps: Whole = 500,
        patience: Count = 3,
        rollbacks: Whole = 3,
        slow_down: PositiveFraction = 0.5,
        thresholds: Thresholds | None = None,
        seed: Whole = 0,
    ) -> None:
        super().__init__(every_kimg)
        _validate(action, acts_on, images, slow_down)
        self.checkpoints, self.action, self.acts_on = Path(checkpoints), action, tuple(acts_on)
        self.images, self.grace_steps, self.seed = images, grace_steps, seed
        self.limit, self.slow_down = rollbacks, slow_down
        self.diagnosis = Diagnosis(thresholds or Thresholds(), patience)
        self.rollbacks: list[int] = []
        self.healthy_at: int | None = None
        self._stopped_by: Alarm | None = None
        self._checked_at = -1
        self._probe: Probe | None = None

    def prepare(self, data: DataModule | None) -> None:
        """Choose the real samples to compare with; where there are none, only the losses are checked."""
        if data is None:
            return
        splits = data.splits()
        if min(len(splits.train), len(splits.heldout)) > 1:
            self._probe = Probe(splits, self.images, self.seed)

    def check(
        self,
        module: AdversarialModule,
        loggers: Loggers,
        optimizers: Sequence[Optimizer],
        *,
        measure: bool,
        extractor: nn.Module | None,
    ) -> Alarm | None:
        """Report alarms, and roll back where ``action`` says so; return the alarm that the run is to stop for.

        Called on all ranks after each batch: a loss that was not finite, which waits in the module's ledger, is an
        alarm at once.

        Args:
            module: in training.
            loggers: of the run.
            optimizers: of the players, which a rollback restores too.
            measure: whether the networks are to be measured now.
            extractor: maps stored samples to features for coverage; not used where it is larger than the players, as it
                would cost more than they do.
        """
        cleared: list[str] = []
        if module.ledger.error is not None:
            evidence = str(module.ledger.error).partition(":")[0]
            raised = self.diagnosis.not_finite(module.images_seen, evidence)
        elif measure and self._probe is not None:
            raised, cleared = self._measure(self._probe, module, loggers, extractor)
        else:
            return None
        self._report(raised, cleared, module, loggers)
        grave = next((alarm for alarm in raised if alarm.name in self.acts_on), None)
        if grave is None or self.action == "warn" or module.images_seen >= module.total_images:
            return None
        return self._act_on(grave, module, optimizers)

    def _measure(
        self, probe: Probe, module: AdversarialModule, loggers: Loggers, extractor: nn.Module | None
    ) -> tuple[list[Alarm], list[str]]:
        """Measure, log and diagnose; return the alarms raised and the names of those that have cleared."""
        images = -(-module.images_per_batch // (world_size() * module.accumulate))
        if extractor is not None and _size(extractor) > _size(module):
            extractor = None
        values = agreed(probe(module, images, extractor), module.device)
        grace = self.grace_steps * module.batches_per_round * module.images_per_batch
        found = self.diagnosis.check(values, module.images_seen, grace)
        self._checked_at = module.images_seen
        loggers.log_metrics({f"health/{name}": value for name, value in values.items()}, module.images_seen)
        return found

    def _report(
        self, raised: Sequence[Alarm], cleared: Sequence[str], module: AdversarialModule, loggers: Loggers
    ) -> None:
        """Report what has changed to the console and the loggers."""
        changes = {"alarms": float(len(self.diagnosis.active))} | dict.fromkeys(cleared, 0.0)
        changes |= {alarm.name: 1.0 for alarm in raised}
        loggers.log_metrics({f"health/{name}": value for name, value in changes.items()}, module.images_seen)
        for alarm in raised:
            say(alarm.message())
            loggers.log_alarm(alarm.name.replace("_", " "), alarm.message())
        for name in cleared:
            say(f"Health: {name.replace('_', ' ')} has cleared at {module.images_seen / 1000:,.1f} kimg.")

    def _act_on(self, alarm: Alarm, module: AdversarialModule, optimizers: Sequence[Optimizer]) -> Alarm | None:
        """Roll back if ``action`` says so and it is possible; else return the alarm to stop for."""
        if self.action == "rollback" and self.healthy_at is not None and len(self.rollbacks) < self.limit:
            clock = return_to(module, optimizers, self.checkpoints / "healthy.ckpt", self.slow_down)
            self.rollbacks.append(module.images_seen)
            self.diagnosis.reset()
            say(
                f"Health: rolled back to the weights of {clock / 1000:,.1f} kimg ({len(self.rollbacks)} of "
                f"{self.limit}); learning rates are {module.rate_scale:g} times the configured ones from here on."
            )
            return None
        if module.ledger.error is not None:  # ends the run, with its own sentence
            return None
        self._stopped_by = alarm
        return alarm

    def is_healthy(self, images_seen: int) -> bool:
        """Whether a checkpoint written at this clock is one to roll back to: checked just now, and nothing found."""
        return self.action == "rollback" and self._checked_at == images_seen and not self.diagnosis.has_symptoms

    def explain(self, alarm: Alarm) -> str:
        """Return why the run has stopped for an alarm, and how to go on."""
        tried = ""
        if self.action == "rollback":
            tried = f" after {len(self.rollbacks)} rollbacks" if self.rollbacks else ", without a healthy checkpoint"
        return (
            f"Stopped and saved at {alarm.images_seen:,} images{tried}, as callbacks.health.action={self.action} asks. "
            f"{alarm.message()} To go on as it is: resume=true."
        )

    def record(self) -> dict[str, object]:
        """Return the entry of ``run.json``."""
        return {
            "alarms": [vars(alarm) for alarm in self.diagnosis.alarms],
            "active": self.diagnosis.active,
            "rollbacks": self.rollbacks,
            "stopped_by": None if self._stopped_by is None else self._stopped_by.name,
        }

    def state_dict(self) -> dict[str, object]:
        """Return the course of every failure mode, for checkpoints."""
        return {
            "diagnosis": self.diagnosis.state_dict(),
            "rollbacks": list(self.rollbacks),
            "healthy_at": self.healthy_at,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the state of :meth:`state_dict`."""
        self.diagnosis.load_state_dict(state["diagnosis"])
        self.rollbacks, self.healthy_at = list(state["rollbacks"]), state["healthy_at"]


def _validate(action: str, acts_on: Sequence[str], images: int, slow_down: float) -> None:
    if action not in ("warn", "stop", "rollback"):
        raise GanforgeError(f"callbacks.health.action must be warn, stop or rollback, got '{action}'.")
    unknown = sorted(set(acts_on) - FAILURE_MODES.keys())
    if unknown:
        raise GanforgeError(f"callbacks.health.acts_on names {unknown}: choose from {', '.join(FAILURE_MODES)}.")
    if images < 8:
        raise GanforgeError(f"callbacks.health.images must be a whole number >= 8, got {images}.")
    if not 0 < slow_down <= 1:
        raise GanforgeError(f"callbacks.health.slow_down must be above 0 and at most 1, got {slow_down}.")


def _size(module: nn.Module) -> int:
    """Return the number of parameters."""
    return sum(weight.numel() for weight in module.parameters())

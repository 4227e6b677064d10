"""Failure modes of a GAN in training: rules over a few measures, and alarms that are raised once."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ganforge.core.errors import GanforgeError

__all__ = ["FAILURE_MODES", "Alarm", "Diagnosis", "Thresholds"]

Measures = Mapping[str, float]

_GROWTH = 1.01  # less than this times the best so far is no growth


@dataclass(frozen=True)
class Thresholds:
    """Where a measure of :class:`~ganforge.health.probe.Probe` becomes a symptom; docs/health.md has the figures.

    Attributes:
        diversity: samples that lie less than this share as far apart as training images are a collapse, unless
            this check found them further apart than any before: then the generator is on its way up.
        nearest: so are samples whose nearest neighbours are nearer than this share of training images' ones.
        coverage: so is a coverage that has fallen below this share of its best.
        signal: a slope of the generator's loss over the logits below this is a vanished gradient, if
        ranking: the discriminator also ranks this share of pairs right: it is not the generator that has won.
        step: a generator's gradient below this, in root mean square, is one too: Adam's ``eps`` swallows it.
        logits: mean logits beyond this are a divergence, and so is anything that is not finite.
        overfitting: r_v above this is overfitting, if
        sigmas: the difference of training and held-out logits is also this many standard errors.
    """

    diversity: float = 0.3
    nearest: float = 0.1
    coverage: float = 0.3
    signal: float = 0.01
    ranking: float = 0.99
    step: float = 1e-8
    logits: float = 1000.0
    overfitting: float = 0.5
    sigmas: float = 5.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not value >= 0:
                raise GanforgeError(f"callbacks.health.thresholds.{name} must be a number >= 0, got {value}.")


def _collapse(now: Measures, best: Measures, limits: Thresholds) -> str | None:
    # A generator that has begun to learn passes through low values too, upwards.
    if now["diversity"] < limits.diversity and now["diversity"] < _GROWTH * best.get("diversity", math.inf):
        return (
            f"samples lie {now['diversity']:.2f} times as far apart as training images (limit {limits.diversity:g}), "
            "and do not move apart"
        )
    if now["nearest"] < limits.nearest and now["nearest"] < _GROWTH * best.get("nearest", math.inf):
        return (
            f"samples' nearest neighbours are {now['nearest']:.3f} times as far as those of training images (limit "
            f"{limits.nearest:g}): few images, repeated"
        )
    coverage, before = now.get("coverage", math.inf), best.get("coverage", 0.0)
    if coverage < limits.coverage * before:
        return f"samples cover {coverage:.2f} of the training images and covered {before:.2f} before"
    return None


def _vanishing_gradient(now: Measures, best: Measures, limits: Thresholds) -> str | None:
    signal, ranking = now.get("signal", math.inf), now.get("ranking", 0.0)
    if signal < limits.signal and ranking > limits.ranking:
        return (
            f"the slope of the generator's loss over the logits is {signal:.2g} (limit {limits.signal:g}) while the "
            f"discriminator ranks {ranking:.1%} of pairs right: it is too far ahead"
        )
    step = now.get("generator_step", math.inf)
    if step < limits.step:
        return f"the generator's gradient is {step:.1g} in root mean square (limit {limits.step:g})"
    return None


def _divergence(now: Measures, best: Measures, limits: Thresholds) -> str | None:
    lost = [name for name, value in now.items() if not math.isfinite(value)]
    if lost:
        return f"not finite: {', '.join(lost)}"
    kinds = {name: value for name, value in now.items() if name.endswith("_logits") and abs(value) > limits.logits}
    if kinds:
        name, value = max(kinds.items(), key=lambda entry: abs(entry[1]))
        return f"the mean of {name.replace('_', ' ')} is {value:.3g} (limit {limits.logits:g} either way)"
    return None


def _overfitting(now: Measures, best: Measures, limits: Thresholds) -> str | None:
    if now.get("overfitting", 0.0) > limits.overfitting and now["overfitting_sigmas"] > limits.sigmas:
        return (
            f"mean logits are {now['real_logits']:.2f} on training images, {now['heldout_logits']:.2f} on held-out "
            f"ones and {now['fake_logits']:.2f} on samples: r_v = {now['overfitting']:.2f} (limit "
            f"{limits.overfitting:g}), r_t = {now['sign']:.2f}"
        )
    return None


#: Rules by the name of what they find: from the measures now and the best ones so far to the evidence, if there is any.
FAILURE_MODES: dict[str, Callable[[Measures, Measures, Thresholds], str | None]] = {
    "divergence": _divergence,
    "collapse": _collapse,
    "vanishing_gradient": _vanishing_gradient,
    "overfitting": _overfitting,
}
_REMEDIES = {
    "divergence": "lower optimizer.generator.lr and optimizer.discriminator.lr; with loss=wasserstein "
    "term=[gradient_penalty] or constraint=weight_clipping, with other losses term=[r1]",
    "collapse": "a lower optimizer.generator.lr, term=[r1], packing=pairs, or model=wgan_gp",
    "vanishing_gradient": "loss=non_saturating, a lower optimizer.discriminator.lr, model.n_critic=1, term=[r1], or "
    "model=wgan_gp",
    "overfitting": "augment=ada or augment=diff_augment, data.horizontal_flip=0.5 where mirror images belong to the "
    "data, term=[r1], more images, or fewer kimg",
}


@dataclass(frozen=True)
class Alarm:
    """A failure mode that was found often enough.

    Attributes:
        name: a key of :data:`FAILURE_MODES`.
        images_seen: when it was raised.
        evidence: the numbers, in words.
    """

    name: str
    images_seen: int
    evidence: str

    def message(self) -> str:
        """Return the line for people: what, when, why, and what to try."""
        name = self.name.replace("_", " ")
        return f"Health: {name} at {self.images_seen / 1000:,.1f} kimg: {self.evidence}. Try: {_REMEDIES[self.name]}."


@dataclass
class _Course:
    """The course of a failure mode: consecutive checks with it and without it, and whether its alarm is active."""

    found: int = 0
    absent: int = 0
    active: bool = False


@dataclass
class Diagnosis:
    """Turns checks into alarms: a failure mode found by ``patience`` checks in a row raises one alarm, and another one
    only after as many checks without it.

    What is not finite is an alarm at once; no other failure mode raises one before ``grace`` images: a generator that
    has hardly moved shows them all.

    Attributes:
        thresholds: where measures become symptoms.
        patience: checks in a row.
        alarms: everything that was raised, in order.
    """

    thresholds: Thresholds = field(default_factory=Thresholds)
    patience: int = 3
    alarms: list[Alarm] = field(default_factory=list)
    _best: dict[str, float] = field(default_factory=dict)
    _symptoms: list[str] = field(default_factory=list)
    _courses: dict[str, _Course] = field(default_factory=lambda: {name: _Course() for name in FAILURE_MODES})

    def __post_init__(self) -> None:
        if self.patience < 1:
            raise GanforgeError(f"callbacks.health.patience must be a whole number >= 1, got {self.patience}.")

    @property
    def active(self) -> list[str]:
        """Names of the failure modes whose alarms have not cleared."""
        return [name for name, course in self._courses.items() if course.active]

    @property
    def has_symptoms(self) -> bool:
        """Whether the last check found anything, the grace period notwithstanding, or an alarm has not cleared yet."""
        return bool(self._symptoms or self.active)

    def check(self, measures: Measures, images_seen: int, grace: int = 0) -> tuple[list[Alarm], list[str]]:
        """Judge measures taken at ``images_seen``; return the new alarms and the names of those that cleared.

        Args:
            measures: by the names of :class:`~ganforge.health.probe.Probe`; those of a rule may be absent together.
            images_seen: the clock.
            grace: images before which only divergence raises an alarm.
        """
        raised, cleared = [], []
        found = {name: rule(measures, self._best, self.thresholds) for name, rule in FAILURE_MODES.items()}
        self._symptoms = [name for name, evidence in found.items() if evidence is not None]
        for name, evidence in found.items():
            if name != "divergence" and images_seen < grace:
                continue
            course = self._courses[name]
            course.found, course.absent = (0, course.absent + 1) if evidence is None else (course.found + 1, 0)
            at_once = name == "divergence" and not all(map(math.isfinite, measures.values()))
            needed = 1 if at_once else self.patience
            if evidence is not None and course.found >= needed and not course.active:
                course.active = True
                raised.append(Alarm(name, images_seen, evidence))
            elif course.active and course.absent >= self.patience:
                course.active = False
                cleared.append(name)
        self.alarms += raised
        for name in ("diversity", "nearest", "coverage"):
            # Coverage while something was wrong is none to hold later checks against.
            if measures.get(name, 0.0) > self._best.get(name, 0.0) and not (name == "coverage" and self.has_symptoms):
                self._best[name] = measures[name]
        return raised, cleared

    def not_finite(self, images_seen: int, evidence: str) -> list[Alarm]:
        """Take a loss that was not finite for a divergence; return the alarm, unless it is active."""
        self._symptoms = ["divergence"]
        course = self._courses["divergence"]
        course.found, course.absent = course.found + 1, 0
        raised = [] if course.active else [Alarm("divergence", images_seen, evidence)]
        course.active = True
        self.alarms += raised
        return raised

    def reset(self) -> None:
        """Begin anew with weights from before: no alarm is active, and those that were stay on record."""
        self._courses = {name: _Course() for name in FAILURE_MODES}

    def state_dict(self) -> dict[str, Any]:
        """Return plain containers."""
        return {
            "alarms": [vars(alarm) for alarm in self.alarms],
            "best": dict(self._best),
            "symptoms": list(self._symptoms),
            "courses": {name: vars(course) for name, course in self._courses.items()},
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what :meth:`state_dict` gave."""
        self.alarms = [Alarm(**alarm) for alarm in state["alarms"]]
        self._best, self._symptoms = dict(state["best"]), list(state["symptoms"])
        self._courses = {name: _Course(**state["courses"].get(name, {})) for name in FAILURE_MODES}

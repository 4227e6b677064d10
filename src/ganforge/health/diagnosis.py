"""Alarms of failure modes, raised once after several checks in a row."""

import math
from dataclasses import dataclass, field
from typing import Any

from ganforge.core.errors import GanforgeError
from ganforge.health.rules import FAILURE_MODES, REMEDIES, Measures, Rule, Thresholds

__all__ = ["Alarm", "Diagnosis"]


@dataclass(frozen=True)
class Alarm:
    """A failure mode found by several checks in a row.

    Attributes:
        name: a key of :data:`FAILURE_MODES`.
        images_seen: when it was raised.
        evidence: the numbers, in words.
    """

    name: str
    images_seen: int
    evidence: str

    def message(self) -> str:
        """Return the line to print: what, when, the evidence, and what to try."""
        name = self.name.replace("_", " ")
        return f"Health: {name} at {self.images_seen / 1000:,.1f} kimg: {self.evidence}. Try: {REMEDIES[self.name]}."


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
        thresholds: limits on the measures.
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
        """Check measures taken at ``images_seen``; return the new alarms and the names of those that cleared.

        Args:
            measures: by the names of :class:`~ganforge.health.probe.Probe`; those of a rule may be absent together. Of
                several samplers, behind their names: each is checked by itself, and the first found is the evidence.
            images_seen: the clock.
            grace: images before which only divergence raises an alarm.
        """
        raised, cleared = [], []
        found = {name: self._evidence(rule, measures) for name, rule in FAILURE_MODES.items()}
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
        for name, value in measures.items():
            kind = name.rpartition("/")[2]
            # Coverage while something was wrong is none to hold later checks against.
            counts = kind in ("diversity", "nearest") or (kind == "coverage" and not self.has_symptoms)
            if counts and value > self._best.get(name, 0.0):
                self._best[name] = value
        return raised, cleared

    def _evidence(self, rule: Rule, measures: Measures) -> str | None:
        """Return a rule's evidence, from the first sampler where there is any."""
        for prefix in dict.fromkeys(name.rpartition("/")[0] for name in measures):
            now, best = (
                {name.rpartition("/")[2]: value for name, value in known.items() if name.rpartition("/")[0] == prefix}
                for known in (measures, self._best)
            )
            evidence = rule(now, best, self.thresholds)
            if evidence is not None:
                return f"{prefix}: {evidence}" if prefix else evidence
        return None

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
        """Start again after a rollback: no alarm is active, and those raised before stay on record."""
        self._courses = {name: _Course() for name in FAILURE_MODES}

    def state_dict(self) -> dict[str, object]:
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

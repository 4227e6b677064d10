"""Reports of a trial to its study: values while it trains, and those at the end."""

import csv
import math
import statistics
from collections.abc import Mapping
from pathlib import Path

from ganforge.core.build import build
from ganforge.core.errors import GanforgeError, StudyError, first_line
from ganforge.tuning.plan import Plan
from ganforge.tuning.storage import open_storage, optuna, owner_of, trial_of

__all__ = ["Reporter", "final_values"]


class Reporter:
    """A running trial's line to its study.

    Args:
        file: the study's ``study.yaml``.
        number: the trial's.
        first: images between evaluations, which is where the first report comes.
        total: images at the end.
    """

    def __init__(self, file: str | Path, number: int, first: int, total: int) -> None:
        plan = Plan.read(Path(file))
        self._storage = open_storage(plan.storage)
        pruner = _pruner(plan.settings["pruner"], first, total)
        study = optuna().load_study(study_name=plan.name, storage=self._storage, pruner=pruner)
        self._trial = trial_of(study, self._storage, number)
        self._objective = plan.objective[0]
        self._reported = set(study.get_trials(deepcopy=False)[number].intermediate_values)

    @property
    def owner(self) -> dict[str, object] | None:
        """The process that trains the trial, as the storage knows it now."""
        return owner_of(self._storage, self._trial)

    def __call__(self, measured: Mapping[str, float], step: int) -> bool:
        """Report the objective among the values just measured; return whether the trial should end.

        Raises:
            StudyError: if the objective is not among them.
        """
        value = _measured(self._objective, measured)
        if step not in self._reported:  # a resumed trial comes to evaluations again that it has reported
            self._trial.report(value, step)
            self._reported.add(step)
        return bool(self._trial.should_prune())


def final_values(plan: Plan, number: int, scores: Mapping[str, float]) -> list[float]:
    """Return a finished trial's objectives: measured values as they are at the end, others from ``metrics.csv``.

    Raises:
        StudyError: if one is nowhere.
        GanforgeError: if one is not finite.
    """
    table = plan.trial_folder(number) / "metrics.csv"
    values = [_final(name, scores, table) for name in plan.objective]
    for name, value in zip(plan.objective, values, strict=True):
        if not math.isfinite(value):
            raise GanforgeError(f"{name} is {value} at the end.")
    return values


def _measured(name: str, measured: Mapping[str, float]) -> float:
    short = name.removeprefix("metrics/")
    if short not in measured:
        known = ", ".join(f"metrics/{one}" for one in measured if one != "images_seen")
        raise StudyError(f"tune.objective names '{name}', and this run measures {known}: choose one of them.")
    return measured[short]


def _final(name: str, scores: Mapping[str, float], table: Path) -> float:
    if name.startswith("metrics/"):
        return _measured(name, scores)
    with table.open(newline="") as file:
        rows = [float(row["value"]) for row in csv.DictReader(file) if row["name"] == name]
    if not rows:
        raise StudyError(f"tune.objective names '{name}', which no run logs: see the names in metrics.csv.")
    return statistics.median(rows) if name.startswith("speed/") else rows[-1]


def _pruner(settings: Mapping[str, object], first: int, total: int) -> object:
    """Build the pruner; numbers of images that it leaves open come from the run."""
    known = {"min_resource": max(1, first), "max_resource": max(first + 1, total)}
    unset = {key: known[key] for key, value in settings.items() if value is None and key in known}
    try:
        return build({**settings, **unset}, "pruner")
    except Exception as error:
        raise StudyError(f"tune.pruner cannot be built: {first_line(error.__cause__ or error)}.") from error

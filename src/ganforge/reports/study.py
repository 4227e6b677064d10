"""A comparison: runs read and grouped, what may be ranked together, and notes for the reader."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ganforge.core.errors import GanforgeError
from ganforge.reports.measures import Measure, by_name, find_measures
from ganforge.reports.reading import Run, find_runs, read_run
from ganforge.reports.variants import Variant, group

__all__ = ["Study", "read_study"]


@dataclass(frozen=True)
class Study:
    """Runs compared.

    Attributes:
        folders: what was asked for.
        runs: every run found.
        variants: runs grouped, in order of labels.
        measures: what was measured, with the variants that have values of it.
        metric: the name that rankings are shown of first; empty if nothing was measured.
        target: the value whose reaching is timed, or ``None``.
        notes: sentences on what is missing, left out, or must be kept in mind.
    """

    folders: tuple[Path, ...]
    runs: tuple[Run, ...]
    variants: tuple[Variant, ...]
    measures: dict[Measure, list[Variant]]
    metric: str
    target: float | None
    notes: tuple[str, ...]

    def of_metric(self, name: str) -> list[Measure]:
        """Return a metric's measures: several where protocols or datasets differ."""
        return by_name(self.measures).get(name, [])


def read_study(folders: Iterable[Path | str], metric: str | None = None, target: float | None = None) -> Study:
    """Read every run at or below ``folders``.

    Args:
        folders: of runs, or above them.
        metric: to rank by; ``None``: FID, or where that was not measured, the runs' own criterion.
        target: a value of ``metric``; the time to reach it is reported.

    Raises:
        GanforgeError: if there is no run, no run with a value, or none in which ``metric`` was measured.
    """
    paths = tuple(Path(folder) for folder in folders)
    runs = tuple(read_run(path) for path in find_runs(paths))
    notes = _of_states(runs)
    notes += _of_reading(runs)
    variants, repeated = group(runs)
    notes += repeated
    if not any(run.series for variant in variants for run in variant.runs):
        raise GanforgeError(f"None of the {len(runs)} runs found holds a configuration and a value. {' '.join(notes)}")
    shown = [variant for variant in variants if any(run.series for run in variant.runs)]
    notes += [f"{variant.label} has no values yet and is left out." for variant in variants if variant not in shown]
    measures = find_measures(shown)
    chosen = _choose(measures, metric, runs)
    if not measures:
        notes.append("No metric was measured in any run, so that nothing is ranked; losses are shown.")
    notes += [*_of_measures(measures, shown, chosen), *_of_seeds(shown), *_of_machines(shown)]
    return Study(paths, runs, tuple(shown), measures, chosen, target, tuple(notes))


def _choose(measures: dict[Measure, list[Variant]], metric: str | None, runs: Sequence[Run]) -> str:
    """Return the metric to rank by."""
    names = list(by_name(measures))
    if metric is not None and metric not in names:
        known = f"they have {', '.join(names)}" if names else "nothing was measured in them"
        raise GanforgeError(
            f"The metric '{metric}' was measured in none of the runs; {known}: choose with metric=NAME."
        )
    wanted = [metric, "fid", *(str(run.status.get("criterion")) for run in runs), *names]
    return next((name for name in wanted if name in names), "") or ""


def _names(runs: Sequence[Run], most: int = 4) -> str:
    names = [run.name for run in runs[:most]]
    return ", ".join(names) + (f" and {len(runs) - most} more" if len(runs) > most else "")


def _of_reading(runs: Sequence[Run]) -> list[str]:
    """Note what could not be read, each problem once."""
    affected: dict[str, list[Run]] = {}
    for run in runs:
        for problem in run.problems:
            affected.setdefault(problem, []).append(run)
    return [f"{_names(members)}: {problem}." for problem, members in affected.items()]


def _of_states(runs: Sequence[Run]) -> list[str]:
    """Note which runs did not finish."""
    notes: list[str] = []
    meanings = {
        "failed": "failed",
        "stopped": "were stopped" if sum(run.state == "stopped" for run in runs) > 1 else "was stopped",
        "cut short": "ended without a record (killed, or the machine went down)",
        "running": "still being trained",
    }
    for state, meaning in meanings.items():
        of_state = [run for run in runs if run.state == state]
        if not of_state:
            continue
        error = next((str(run.status["error"]) for run in of_state if run.status.get("error")), "")
        because = f"; the first error: {error.rstrip('.')}" if state == "failed" and error else ""
        everything = f"All {len(runs)} runs" if len(of_state) == len(runs) else f"{len(of_state)} of {len(runs)} runs"
        notes.append(f"{everything} {meaning} ({_names(of_state)}){because}.")
    if notes and any(run.state == "finished" for run in runs):
        notes.append(
            "Tables and tests are made from finished runs alone, where a variant has one; curves show the others as "
            "thin lines."
        )
    return notes


def _of_measures(measures: dict[Measure, list[Variant]], variants: Sequence[Variant], chosen: str) -> list[str]:
    notes: list[str] = []
    for name, same in by_name(measures).items():
        if len(same) > 1:
            hows = "; ".join(measure.how for measure in same)
            notes.append(
                f"{same[0].title} was measured in {len(same)} ways ({hows}): values of different protocols or datasets "
                "are not comparable, and each way has its own table and its own tests."
            )
        if same[0].better is None:
            notes.append(f"Whether more or less {name} is better is not known here, so that no best value is marked.")
        notes += _of_divergence(same, variants)
        if name != chosen:
            continue
        without = [
            variant.label
            for variant in variants
            if not any(each.key in (*run.series, *run.diverged) for each in same for run in variant.counted)
        ]
        if without:
            notes.append(f"{same[0].title} was not measured in {', '.join(without)}: no place in the ranking.")
        some = [
            run
            for variant in variants
            if variant.label not in without
            for run in variant.counted
            if not any(each.key in (*run.series, *run.diverged) for each in same)
        ]
        if some:
            notes.append(f"{same[0].title} was not measured in {_names(some)}: the variant's mean is over the others.")
    return notes


def _of_divergence(measures: Sequence[Measure], variants: Sequence[Variant]) -> list[str]:
    """Note which runs' last value of a metric is not finite."""
    notes: list[str] = []
    for variant in variants:
        gone = [run for run in variant.counted if any(each.key in run.diverged for each in measures)]
        if gone:
            notes.append(
                f"{variant.label}: the last {measures[0].title} of {_names(gone)} is not finite, so that there is no "
                "value, diverged: neither means nor tests count what was measured before."
            )
    return notes


def _of_seeds(variants: Sequence[Variant]) -> list[str]:
    """Note where seeds are too few."""
    notes: list[str] = []
    single = [variant.label for variant in variants if len(variant.counted) == 1]
    if single:
        which = "Every variant" if len(single) == len(variants) else ", ".join(single)
        have = "have" if len(single) > 1 and len(single) < len(variants) else "has"
        notes.append(
            f"{which} {have} one seed: there is no interval and no test, and one run's value may be luck. Train "
            "more with -m seed=1,2,3."
        )
    few = max((len(variant.counted) for variant in variants), default=0)
    if 2 <= few < 5:
        notes.append(
            f"With at most {few} seeds a variant only large differences are significant: 'not significant' does not "
            "mean that variants are equal."
        )
    unfinished = [variant.label for variant in variants if variant.counted and not variant.finished]
    if unfinished:
        notes.append(
            f"{', '.join(unfinished)}: no run has finished, so that the values are from where the runs are now, and "
            "they are not tested against others."
        )
    return notes


def _of_machines(variants: Sequence[Variant]) -> list[str]:
    runs = [run for variant in variants for run in variant.counted]
    notes: list[str] = []
    hosts = {str(run.status.get("host")) for run in runs} - {"None"}
    if len(hosts) > 1:
        notes.append(
            f"The runs come from {len(hosts)} machines: times and images/s compare machines as well as variants."
        )
    commits = {str(run.status.get("git")).removesuffix("+changes") for run in runs} - {"None"}
    if len(commits) > 1:
        notes.append(f"The runs were made by {len(commits)} commits of ganforge: what differs may be the code.")
    changed = [run for run in runs if str(run.status.get("git")).endswith("+changes")]
    if changed:
        notes.append(f"ganforge's code had uncommitted changes when {len(changed)} of {len(runs)} runs were made.")
    return notes

"""Runs read from their folders: finished, failed, still being written, or half written."""

import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from ganforge.core.errors import GanforgeError, first_line
from ganforge.core.files import read_json
from ganforge.metrics.directions import Better
from ganforge.runs.folder import RunFolder
from ganforge.runs.log import Row, read_rows

__all__ = ["Run", "Series", "find_runs", "read_run"]

_MARKS = ("config.yaml", "run.json", "metrics.csv")


@dataclass(frozen=True)
class Series:
    """One value over training.

    Attributes:
        images: images seen, increasing.
        seconds: since the run's start, time before an interruption included.
        values: finite; what is not is left out, as it cannot be drawn or averaged.
    """

    images: tuple[int, ...]
    seconds: tuple[float, ...]
    values: tuple[float, ...]


@dataclass(frozen=True)
class Run:
    """What one run's folder holds.

    Attributes:
        path: the folder.
        settings: what its result depends on by dotted key, without the seed; see :mod:`ganforge.core.settings`.
        choices: the option taken from each group; empty for runs that did not record it.
        seed: of the run.
        state: ``finished``, ``running``, ``stopped``, ``failed``, ``cut short`` (its process is gone) or ``unknown``.
        images_seen: of the last value logged.
        series: by name and protocol; the protocol of what is not measured under one is empty.
        diverged: the keys of series whose last value was not finite: whatever they held before, this run has no value.
        status: ``run.json`` as it is.
        problems: what could not be read, in sentences without the folder's name.
    """

    path: Path
    settings: Mapping[str, object]
    choices: Mapping[str, str]
    seed: int | str
    state: str
    images_seen: int
    series: Mapping[tuple[str, str], Series]
    diverged: frozenset[tuple[str, str]] = frozenset()
    status: Mapping[str, object] = field(default_factory=dict)
    problems: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The folder's last two parts, ``<name>/<signature>``."""
        return "/".join(self.path.parts[-2:])

    @property
    def better(self) -> Better:
        """Which way each value that was measured is better, by name or pattern; empty if that was not recorded."""
        recorded = self.status.get("better")
        known = recorded.items() if isinstance(recorded, dict) else ()
        return {str(name): way for name, way in known if way in ("greater", "less", None)}

    @property
    def speed(self) -> float | None:
        """Images a second: the median over the log's intervals, so that evaluations and the start do not count."""
        series = self.series.get(("speed/images_per_second", ""))
        return None if series is None else median(series.values)


def find_runs(paths: Iterable[Path]) -> list[Path]:
    """Return every run's folder at or below ``paths``, once each, in order; a sweep's folder stands for its runs.

    Raises:
        GanforgeError: if a path does not exist, or there is no run below any of them.
    """
    paths = list(paths)
    found: dict[Path, Path] = {}
    for path in paths:
        if not path.is_dir():
            raise GanforgeError(f"There is no folder '{path}': give outputs/<name>, or runs' folders.")
        for folder in _of_sweep(path) or _walk(path):
            found.setdefault(folder.resolve(), folder)
    if not found:
        names = " or ".join(f"'{path}'" for path in paths)
        raise GanforgeError(
            f"There is no run below {names}: a run's folder is outputs/<name>/<signature> and holds config.yaml, "
            "run.json and metrics.csv."
        )
    return list(found.values())


def _of_sweep(folder: Path) -> list[Path]:
    """Return the folders of the runs that ``sweep.json`` lists, those that exist; none where there is no such file."""
    try:
        rows = read_json(folder / "sweep.json")["runs"]
        listed = [Path(row["folder"]) for row in rows]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise GanforgeError(f"'{folder / 'sweep.json'}' cannot be read ({error}): give the runs' folders.") from error
    # Paths are as the sweep was launched with; seen from elsewhere, runs lie beside sweeps/.
    outputs = folder.resolve().parent.parent
    places = [path if path.is_dir() else outputs.joinpath(*path.parts[-2:]) for path in listed]
    return [path for path in places if path.is_dir()]


def _walk(top: Path) -> Iterator[Path]:
    """Yield folders that look like a run's; what lies below one belongs to it."""
    for folder, children, files in os.walk(top):
        if any(mark in files for mark in _MARKS):
            children.clear()
            yield Path(folder)
        children[:] = sorted(child for child in children if not child.startswith("."))


def read_run(path: Path) -> Run:
    """Read a run's folder; what is missing or broken is left out and listed in ``problems``."""
    try:
        return _read_run(path)
    except Exception as error:  # whatever stands in one folder, the other runs are compared
        reason = f"it cannot be read ({type(error).__name__}: {first_line(error)}), and is left out"
        return Run(path, {}, {}, path.name, "unknown", 0, {}, problems=(reason,))


def _read_run(path: Path) -> Run:
    problems: list[str] = []
    folder = RunFolder(path)
    status = folder.status()
    if not status:
        problems.append("its run.json is missing or cut short, so neither its variant nor how it ended is known")
    settings = _read_settings(status, problems)
    rows, broken = read_rows(path / "metrics.csv")
    rows = [row._replace(name=_plain_name(row.name, row.protocol)) for row in rows]
    if broken:
        problems.append(f"{broken} broken {'line' if broken == 1 else 'lines'} of its metrics.csv left out")
    finite = [row for row in rows if math.isfinite(row.value)]
    if len(finite) < len(rows):
        problems.append(f"{len(rows) - len(finite)} values of its metrics.csv are not finite and left out")
    seed = settings.pop("seed", path.name)
    choices = status.get("choices")
    return Run(
        path=path,
        settings=_settings(settings, seed),
        choices={key: str(option) for key, option in choices.items()} if isinstance(choices, dict) else {},
        seed=seed if isinstance(seed, int) else str(seed),
        state=_state(folder, status),
        images_seen=max((row.images_seen for row in rows), default=0),
        series=_series(finite),
        diverged=frozenset(key for key, series in _series(rows).items() if not math.isfinite(series.values[-1])),
        status=status,
        problems=tuple(problems),
    )


def _plain_name(name: str, protocol: str) -> str:
    """Return the name of what was measured without its protocol's, which its tag has.

    Training logs ``metrics/<protocol>/<value>`` where an earlier protocol has given that value: with the protocols in
    another order the same measure would have another name.
    """
    prefix = f"metrics/{protocol.partition('@')[0]}/"
    return f"metrics/{name.removeprefix(prefix)}" if protocol and name.startswith(prefix) else name


def _state(folder: RunFolder, status: Mapping[str, object]) -> str:
    state = str(status.get("state", "unknown"))
    if state == "running" and folder.is_being_written() is None and status.get("host") == os.uname().nodename:
        return "cut short"
    return state


def _read_settings(status: Mapping[str, object], problems: list[str]) -> dict[str, object]:
    """Return what the run's result depends on, by section; empty if it is not recorded."""
    settings = status.get("settings")
    if isinstance(settings, dict) and settings:
        return dict(settings)
    if status:
        packages = status.get("packages")
        version = packages.get("ganforge") if isinstance(packages, dict) else None
        by = f"ganforge {version}" if version else "an unknown version of ganforge"
        problems.append(f"its run.json was written by {by} and holds no settings, so its variant is not known")
    return {}


def _settings(settings: dict[str, object], seed: object) -> dict[str, object]:
    """Flatten, without a data seed that only repeats the run's."""
    return {key: value for key, value in _flatten(settings, "") if not (key == "data.seed" and value == seed)}


def _flatten(node: Mapping[str, object], prefix: str) -> Iterator[tuple[str, object]]:
    """Yield dotted keys with their values; lists stay whole, and what is empty is as good as absent."""
    for key, value in node.items():
        if isinstance(value, dict):
            yield from _flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", json.loads(json.dumps(value, default=str)) if isinstance(value, list) else value


def _series(rows: list[Row]) -> dict[tuple[str, str], Series]:
    """Group rows by name and protocol, in the order of images seen; of values at one clock the last written counts."""
    points: dict[tuple[str, str], dict[int, Row]] = {}
    for row in rows:
        points.setdefault((row.name, row.protocol), {})[row.images_seen] = row
    series: dict[tuple[str, str], Series] = {}
    for key, by_clock in points.items():
        ordered = [by_clock[clock] for clock in sorted(by_clock)]
        series[key] = Series(
            tuple(row.images_seen for row in ordered),
            tuple(row.seconds for row in ordered),
            tuple(row.value for row in ordered),
        )
    return series

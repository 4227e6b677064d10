"""The results of a sweep: the table on the console, and the same as JSON."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ganforge.core.errors import GanforgeError, Stopped
from ganforge.core.files import write_text
from ganforge.core.tables import text_table
from ganforge.runs.folder import RunFolder
from ganforge.sweeps.plan import Job

__all__ = ["Row", "conclude", "render", "rows_of", "save"]


@dataclass(frozen=True)
class Row:
    """The state of one run of a sweep.

    Attributes:
        label: the values in which it differs from the others.
        state: finished, skipped, failed, stopped, running, waiting (not started) or duplicate.
        images_seen: where its clock stands; ``None`` before anything was written.
        scores: the last measurement.
        protocol: how that was measured.
        note: why it is not finished.
        folder: where everything of it is.
    """

    label: str
    state: str
    images_seen: int | None
    scores: dict[str, float]
    protocol: str
    note: str
    folder: str


def rows_of(jobs: Sequence[Job], outcomes: dict[Path, dict[str, object]]) -> list[Row]:
    """Read every run's folder; ``outcomes`` holds what the launcher returned for those that it was given."""
    return [_row(job, outcomes.get(job.folder)) for job in jobs]


def _row(job: Job, outcome: Mapping[str, object] | None) -> Row:
    status = RunFolder(job.folder).status()
    state, note = job.state, job.note
    if state == "todo" and outcome is not None:
        state, note = str(outcome["state"]), str(outcome["error"])
    elif state == "todo":
        state, note = _state_without_word(job, status)
    scores = {} if state == "waiting" else status.get("scores") or {}  # an earlier life's are not this sweep's
    return Row(
        job.label,
        state,
        status.get("images_seen"),
        scores,
        str(status.get("protocol") or "") if scores else "",
        note,
        str(job.folder),
    )


def _state_without_word(job: Job, status: Mapping[str, object]) -> tuple[str, str]:
    """Return the state of a run whose worker returned nothing."""
    writer = RunFolder(job.folder).is_being_written()
    if writer is not None:
        return "running", f"{writer} trains it"
    if not job.has_begun():
        return "waiting", "not started"
    if status.get("state") == "running":
        return "failed", "its process was killed (out of memory?); the same line goes on from its last checkpoint"
    if status.get("state") in ("finished", "failed", "stopped"):
        return str(status["state"]), str(status.get("error") or "")
    return "waiting", "not started"


def render(rows: Sequence[Row]) -> str:
    """Return the table as text: what was measured, by which protocol, and what went wrong."""
    found = dict.fromkeys(name for row in rows for name in row.scores if name != "images_seen")
    names = [name for name in found if name.removesuffix("_std") == name or name.removesuffix("_std") not in found]
    heads = ["run", "state", "kimg", *names, "protocol"]
    lines = [heads]
    for row in rows:
        seen = "" if row.images_seen is None else f"{row.images_seen / 1000:,.3f}".rstrip("0").rstrip(".")
        lines.append([row.label, row.state, seen, *(_value(row.scores, name) for name in names), row.protocol])
    first, *others = text_table(lines, left=[0, 1, len(heads) - 1])
    text = [first]
    for line, row in zip(others, rows, strict=True):
        text += [line, f"    {row.note}"] if row.note else [line]
    return "\n".join(text)


def _value(scores: dict[str, float], name: str) -> str:
    """Return a score as text, with its deviation where one was measured."""
    if name not in scores:
        return ""
    deviation = scores.get(f"{name}_std")
    return f"{scores[name]:.4g}" if deviation is None else f"{scores[name]:.4g} +- {deviation:.2g}"


def save(path: Path, name: str, rows: Sequence[Row]) -> None:
    """Write the table as JSON: the sweep's name, and one entry a run with its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps({"sweep": name, "runs": [vars(row) for row in rows]}, indent=2) + "\n")


def conclude(rows: Sequence[Row], stopped: int | None) -> None:
    """Raise if the sweep is not finished.

    Args:
        rows: the table.
        stopped: the number of the signal that stopped it, if one did.

    Raises:
        Stopped: after Ctrl-C, SIGTERM or SLURM's warnings.
        GanforgeError: if a run failed, now or before.
    """
    counts = {state: sum(row.state == state for row in rows) for state in ("stopped", "waiting", "failed", "running")}
    if stopped is not None:
        raise Stopped(
            f"The sweep is stopped: {counts['stopped']} saved on the way, {counts['waiting']} not started. The same "
            "line again goes on.",
            128 + stopped,
        )
    if counts["failed"]:
        raise GanforgeError(
            f"{counts['failed']} of {len(rows)} runs failed; the others are in the table. The same line with "
            "retry=true repeats those that failed."
        )
    if counts["stopped"] or counts["waiting"]:
        raise GanforgeError(
            f"{counts['stopped'] + counts['waiting']} of {len(rows)} runs are not finished: the same line goes on."
        )

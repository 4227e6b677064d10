"""The run's own log: one CSV row a value."""

import csv
import time
from argparse import Namespace
from pathlib import Path
from typing import TextIO

from lightning_utilities.core.rank_zero import rank_zero_only

from ganforge.loggers.base import RunLogger

__all__ = ["TableLogger"]

FIELDS = ("images_seen", "seconds", "name", "value", "protocol")


class TableLogger(RunLogger):
    """Appends ``images_seen,seconds,name,value,protocol`` rows to ``metrics.csv``.

    Lightning's CSVLogger deletes the file when a run resumes and writes it anew for each new column. Here rows are only
    appended; on resuming, rows after the checkpoint's clock are dropped, since training writes them again.

    Args:
        path: the file.
    """

    def __init__(self, path: str) -> None:
        super().__init__()
        self.path = Path(path)
        self._handle: TextIO | None = None
        self._started = time.monotonic()

    @property
    def name(self) -> str:
        """Lightning's name for the logger."""
        return "csv"

    @property
    def version(self) -> str:
        """Not used: every run has a folder of its own."""
        return ""

    @property
    def save_dir(self) -> str:
        """Folder of the file."""
        return str(self.path.parent)

    @rank_zero_only
    def log_hyperparams(self, params: dict[str, object] | Namespace, *args: object, **kwargs: object) -> None:
        """Ignore: the run's folder holds its configuration."""

    @rank_zero_only
    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        """Append one row a value; ``step`` is images seen."""
        self.log_measured(metrics, step or 0, "")

    @rank_zero_only
    def log_measured(self, values: dict[str, float], images_seen: int, protocol: str) -> None:
        """Append values with the protocol that they were measured by."""
        if self._handle is None:
            self._open()
        assert self._handle is not None
        seconds = f"{time.monotonic() - self._started:.2f}"
        writer = csv.writer(self._handle)
        writer.writerows((images_seen, seconds, name, f"{value:.8g}", protocol) for name, value in values.items())
        self._handle.flush()

    def _open(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        new = not self.path.exists()
        self._handle = self.path.open("a", newline="")
        if new:
            csv.writer(self._handle).writerow(FIELDS)

    @rank_zero_only
    def rewind(self, images_seen: int) -> None:
        """Drop rows after ``images_seen``, and a half-written last one; time goes on from the last row kept."""
        if not self.path.exists():
            return
        with self.path.open(newline="") as handle:
            rows = [row for row in csv.reader(handle) if len(row) == len(FIELDS) and row[0].isdigit()]
        kept = [row for row in rows if int(row[0]) <= images_seen]
        temporary = self.path.with_name(".metrics.part")
        with temporary.open("w", newline="") as handle:
            csv.writer(handle).writerows([FIELDS, *kept])
        temporary.replace(self.path)
        if kept:
            self._started = time.monotonic() - float(kept[-1][1])

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """Close the file."""
        if self._handle is not None:
            self._handle.close()
            self._handle = None

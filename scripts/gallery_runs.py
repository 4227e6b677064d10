"""What scripts/gallery.py trains: a study of a dataset, and its runs, as they lie on disk."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ganforge.core.config import compose, config_folder
from ganforge.runs.folder import RunFolder
from ganforge.runs.log import read_rows

__all__ = ["SKIPPED", "STUDIES", "Run", "Study", "plan"]

#: Variants that are not for images.
SKIPPED = {"simultaneous": "it is for the games of theory in the plane"}
#: Evaluations of a run that is trained to its budget's end.
EVALUATIONS = 20


@dataclass(frozen=True)
class Study:
    """What a run on a dataset is to reach.

    Attributes:
        protocols: how it is measured.
        below: values that must all be below these in one evaluation.
        minutes: of two cores.
    """

    protocols: tuple[str, ...]
    below: Mapping[str, float]
    minutes: float

    def is_alive(self, values: Mapping[str, float]) -> bool:
        """Whether one evaluation's values are good enough."""
        return all(values.get(name, float("inf")) < limit for name, limit in self.below.items())


#: By dataset. A class is missing where fewer than a fifth of the images that real digits lead one to expect are put in
#: it (protocol=digit_classes): fewer than 3 of 10 missing are 8 present.
STUDIES = {"mnist5k": Study(("digits", "digit_classes"), {"fid": 400, "classes_missing": 3}, minutes=10)}


@dataclass(frozen=True)
class Run:
    """One training run."""

    data: str
    variant: str
    seed: int
    overrides: tuple[str, ...]
    folder: Path

    @property
    def key(self) -> tuple[str, str, int]:
        """What the ledger has one line for."""
        return self.data, self.variant, self.seed

    @property
    def command(self) -> str:
        """What to type for this run; it is the whole of it, unless it is stopped by hand."""
        return shlex.join(["ganforge", "train", *self.overrides])

    @property
    def status(self) -> dict[str, object]:
        """The run's own record."""
        return RunFolder(self.folder).status()

    def evaluations(self) -> list[dict[str, float]]:
        """Return the values of every evaluation so far, with ``images_seen``."""
        found: dict[int, dict[str, float]] = {}
        for row in read_rows(self.folder / "metrics.csv")[0]:
            if row.name.startswith("metrics/"):
                values = found.setdefault(row.images_seen, {"images_seen": row.images_seen})
                values[row.name.rpartition("/")[2]] = row.value
        return list(found.values())

    @property
    def spent(self) -> float:
        """Processor seconds of all its starts."""
        return float(self.counted.read_text()) if self.counted.exists() else 0.0

    @property
    def counted(self) -> Path:
        """Where processor seconds are kept, beside the run's folder."""
        return self.folder.with_name(f"{self.folder.name}.cpu_seconds")

    @property
    def log(self) -> Path:
        """What the run's commands print."""
        return self.folder.with_name(f"{self.folder.name}.log")


def plan(data: str, variants: Sequence[str] | None, seeds: Sequence[int], outputs: Path) -> list[Run]:
    """Return the runs, seeds outermost so that an early stop leaves whole columns."""
    known = sorted(path.stem for path in (config_folder() / "model").glob("[!_]*.yaml"))
    names = variants or [name for name in known if name not in SKIPPED]
    if unknown := sorted(set(names) - set(known)):
        raise SystemExit(f"There is no variant {', '.join(unknown)}: choose from {', '.join(known)}.")
    protocols = ",".join(STUDIES[data].protocols)
    runs = []
    for seed in seeds:
        for name in names:
            chosen = [f"model={name}", f"data={data}", "budget=small", f"seed={seed}"]
            kimg = compose(chosen).total_kimg
            overrides = [
                *chosen,
                f"protocol=[{protocols}]",
                f"callbacks.evaluate.every_kimg={kimg / EVALUATIONS:g}",
                f"callbacks.checkpoint.every_kimg={kimg / EVALUATIONS:g}",
                f"callbacks.samples.every_kimg={kimg:g}",
                f"callbacks.curves.every_kimg={kimg:g}",
                "logger=csv",
                "trainer=cpu",
                f"paths.outputs={outputs}",
            ]
            runs.append(Run(data, name, seed, tuple(overrides), Path(compose(overrides).paths.run)))
    return runs

"""What scripts/gallery.py trains: a study of a dataset, and its runs as they lie on disk.

python scripts/gallery_runs.py        # prints a command a run
"""

import argparse
import json
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from ganforge.core.config import compose, config_folder
from ganforge.core.files import write_text
from ganforge.runs.folder import RunFolder
from ganforge.runs.log import read_rows

__all__ = ["STUDIES", "Run", "Study", "plan"]

#: It is for the games of theory in the plane.
SKIPPED = "simultaneous"
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
        return sum(self._counts().values())

    def count(self, pid: int) -> None:
        """Note what a start of this run has used so far."""
        counts = self._counts()
        counts[str(pid)] = max(counts.get(str(pid), 0.0), processor_seconds(pid))
        write_text(self._counted, json.dumps(counts))

    def _counts(self) -> dict[str, float]:
        """Return processor seconds by process, kept beside the run's folder."""
        return dict(json.loads(self._counted.read_text())) if self._counted.exists() else {}

    @property
    def _counted(self) -> Path:
        return self.folder.with_name(f"{self.folder.name}.cpu_seconds.json")

    @property
    def writer(self) -> int | None:
        """The process that trains it now."""
        folder = RunFolder(self.folder)
        return int(folder.status()["pid"]) if folder.is_being_written() else None

    @property
    def log(self) -> Path:
        """What the run's commands print."""
        return self.folder.with_name(f"{self.folder.name}.log")


def processor_seconds(pid: int) -> float:
    """Return what a process has used, all threads together, to the second; 0 if it has gone."""
    shown = subprocess.run(["ps", "-o", "time=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    seconds = 0.0
    for part in (shown.strip() or "0").split(":"):
        seconds = 60 * seconds + float(part)
    return seconds


def draws_from_noise(config: DictConfig) -> bool:
    """Whether a variant draws from a latent alone or with a label: no translation, no text."""
    conditioning = OmegaConf.select(config, "conditioning._target_")
    return config.get("latent") is not None and conditioning in (None, "ganforge.conditioning.Label")


def chosen_variants(data: str, wanted: Sequence[str] | None) -> Sequence[str]:
    """Return the variants that are wanted, or all that draw from noise."""
    known = sorted({path.stem for path in (config_folder() / "model").glob("[!_]*.yaml")} - {SKIPPED})
    if unknown := sorted(set(wanted or ()) - set(known)):
        raise SystemExit(f"There is no variant {', '.join(unknown)}: choose from {', '.join(known)}.")
    return wanted or [name for name in known if draws_from_noise(compose([f"model={name}", f"data={data}"]))]


def overrides_of(data: str, variant: str, seed: int, outputs: Path) -> tuple[str, ...]:
    """Return what a run is trained with; evaluations, and checkpoints with them, are a share of its length."""
    chosen = [f"model={variant}", f"data={data}", "budget=small", f"seed={seed}"]
    kimg = compose(chosen).total_kimg
    return (
        *chosen,
        f"protocol=[{','.join(STUDIES[data].protocols)}]",
        f"callbacks.evaluate.every_kimg={kimg / EVALUATIONS:g}",
        f"callbacks.checkpoint.every_kimg={kimg / EVALUATIONS:g}",
        f"callbacks.samples.every_kimg={kimg:g}",
        f"callbacks.curves.every_kimg={kimg:g}",
        "logger=csv",
        "trainer=cpu",
        f"paths.outputs={outputs}",
    )


def plan(data: str, wanted: Sequence[str] | None, seeds: Sequence[int], outputs: Path) -> list[Run]:
    """Return the runs, seeds outermost so that an early stop leaves whole columns."""
    variants, runs = chosen_variants(data, wanted), []
    for seed in seeds:
        for variant in variants:
            overrides = overrides_of(data, variant, seed, outputs)
            runs.append(Run(data, variant, seed, overrides, Path(compose(overrides).paths.run)))
    return runs


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", choices=STUDIES, default="mnist5k")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    options = parser.parse_args()
    for run in plan(options.data, None, options.seeds, Path("outputs") / "gallery"):
        print(run.command)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Disturb runs at random moments, resume them, and compare each with an undisturbed one, to the bit.

    python scripts/storm.py --kills 200

Twelve variants are trained once each without disturbance. Then they are trained again, and while they train they are
killed (SIGKILL), asked to stop (SIGTERM, SIGINT, SIGHUP), or their disk is full from some moment on (RLIMIT_FSIZE=0:
the kernel refuses every write); the same command with resume=true goes on, is disturbed again, and so on until it is
finished. At the end the last checkpoint (weights, averages, optimizers, random states, clocks), the scores in
run.json and the rows of metrics.csv, but those of speed, must be equal. Exits with 1 if one is not, and keeps the
folders. --figures writes what was done as JSON; docs/reliability.md quotes it.

Training processes are forked from one that has imported everything, and so begin at once. Linux only.
"""

import argparse
import csv
import json
import os
import random
import re
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import matplotlib.figure  # noqa: F401 - imported once, for all processes
import pytorch_lightning  # noqa: F401
import torch

from ganforge import cli
from ganforge.core.streams import discard
from ganforge.runs.folder import load_checkpoint

COMMON = (
    "data=digits",
    "logger=csv",
    "trainer=cpu",
    "protocol=smoke",
    "data.batch_size=16",
    "data.horizontal_flip=0.5",
    "total_kimg=0.96",
    "model.log_every=3",
    "callbacks.checkpoint.every_kimg=0.16",
    "callbacks.evaluate.every_kimg=0.32",
    "callbacks.health.every_kimg=0.24",
    "callbacks.health.images=16",
    "callbacks.samples.every_kimg=0.48",
    "callbacks.samples.images=4",
    "callbacks.curves.every_kimg=0.96",
)
VARIANTS = {
    "dcgan": ("network.width=4", "term=[r1,lecam]", "term.r1.every=4", "augment=diff_augment"),
    "accumulated": ("model=lsgan", "network.width=4", "model.accumulate=2", "augment=apa"),
    "wgan_gp": ("model=wgan_gp", "network.width=4", "data.image_size=32"),
    "sngan": ("model=sngan", "network.width=4", "data.image_size=32"),
    "cgan": ("model=cgan", "network.width=4"),
    "acgan": ("model=acgan", "network.width=4", "data.image_size=32"),
    "infogan": ("model=infogan", "network.width=4"),
    "began": ("model=began", "network.width=4", "data.image_size=16"),
    "pacgan": ("model=pacgan", "network.width=4"),
    "ssgan": ("model=ssgan", "network.width=4", "data.image_size=32"),
    "unrolled": ("model=unrolled", "network.width=4"),
    "ragan": ("model=ragan", "network.width=4", "data.image_size=16"),
}
#: What disturbs a run, and how often; SIGKILL is the hardest.
DISTURBANCES = {"SIGKILL": 3, "SIGTERM": 1, "SIGINT": 1, "SIGHUP": 1, "full disk": 1}
ATTEMPTS = 200


@dataclass
class Start:
    """One process that trains.

    Attributes:
        status: its exit status; negative: the signal that killed it.
        printed: what it printed.
        seconds: of processor time.
    """

    status: int
    printed: str
    seconds: float


@dataclass
class Figures:
    """What a storm has done.

    Attributes:
        runs: runs that were disturbed and finished.
        disturbances: how often each kind met a training process.
        starts: processes started.
        lost: what was found unequal, or said wrongly; empty where nothing was lost.
    """

    runs: int = 0
    disturbances: Counter[str] = field(default_factory=Counter)
    starts: int = 0
    lost: list[str] = field(default_factory=list)


def start(words: Sequence[str], disturb: str = "", delay: float = 0.0) -> Start:
    """Train in a forked process, disturbed after ``delay`` seconds of its processor time; wait for its end."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        _train(words, write)
    os.close(write)
    if disturb and not _ends_within(child, delay):
        if disturb == "full disk":
            resource.prlimit(child, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
        else:
            os.kill(child, signal.Signals[disturb])
    with os.fdopen(read, "rb") as pipe:
        printed = pipe.read().decode(errors="replace")
    _, status, used = os.wait4(child, 0)
    return Start(os.waitstatus_to_exitcode(status), printed, used.ru_utime + used.ru_stime)


def _train(words: Sequence[str], output: int) -> None:
    """Become the command, in a session and with standard streams of its own; does not return."""
    os.setsid()
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # as in a terminal, under nohup too
    os.dup2(output, 1)
    os.dup2(output, 2)
    sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
    status = 70
    try:
        status = cli.main(["train", *words])
    except BaseException:
        traceback.print_exc()
    finally:
        discard(sys.stdout)
        discard(sys.stderr)
        os._exit(status)


def _ends_within(child: int, seconds: float) -> bool:
    """Wait until a child has used ``seconds`` of processor time; whether it has ended before. It is not reaped."""
    while _processor_time(child) < seconds:
        if os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
            return True
        time.sleep(0.005)
    return False


def _processor_time(process: int) -> float:
    """Return the seconds that a process has computed, which other load on the machine leaves as they are."""
    user, system = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def run_folder(outputs: Path) -> Path:
    """Return the only run's folder."""
    (status,) = outputs.glob("*/*/run.json")
    return status.parent


def differences(one: Path, other: Path) -> list[str]:
    """Return in what two runs' folders differ: the last checkpoint, the scores, and the rows of metrics.csv."""
    left, right = (load_checkpoint(folder / "checkpoints" / "last.ckpt") or {} for folder in (one, other))
    found = _unequal(left, right, "last.ckpt")
    if _rows(one) != _rows(other):
        found.append("metrics.csv")
    scores = [json.loads((folder / "run.json").read_text()).get("scores") for folder in (one, other)]
    return found if scores[0] == scores[1] else [*found, "scores in run.json"]


def _unequal(left: Any, right: Any, place: str) -> list[str]:
    if isinstance(left, torch.Tensor) and isinstance(right, torch.Tensor):
        return [] if left.dtype == right.dtype and torch.equal(left, right) else [place]
    if isinstance(left, dict) and isinstance(right, dict) and left.keys() == right.keys():
        return [found for key in left for found in _unequal(left[key], right[key], f"{place} {key}")]
    if isinstance(left, list | tuple) and isinstance(right, list | tuple) and len(left) == len(right):
        pairs = enumerate(zip(left, right, strict=True))
        return [found for number, pair in pairs for found in _unequal(*pair, f"{place} {number}")]
    return [] if left == right else [place]


def _rows(folder: Path) -> list[tuple[str, ...]]:
    with (folder / "metrics.csv").open(newline="") as handle:
        rows = [row for row in csv.DictReader(handle) if not row["name"].startswith("speed/")]
    return [(row["images_seen"], row["name"], row["value"], row["protocol"]) for row in rows]


class Storm:
    """Disturbs runs of all variants in turn.

    Args:
        folder: where the runs are; empty.
        seed: of the moments and kinds of disturbance.
    """

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.random = folder, random.Random(seed)
        self.figures = Figures()
        self._seconds: dict[str, float] = {}

    def words(self, variant: str, name: str) -> list[str]:
        """Return the command line of a run."""
        outputs = self.folder / name
        return [*COMMON, *VARIANTS[variant], f"name={variant}", f"paths.outputs={outputs}"]

    def train_undisturbed(self, variants: Sequence[str]) -> None:
        """Train each variant once.

        Raises:
            SystemExit: if one does not train, whatever the storm.
        """
        for variant in variants:
            done = start(self.words(variant, f"whole_{variant}"))
            if done.status:
                raise SystemExit(f"storm: {variant} does not train: {done.printed}")
            self._seconds[variant] = done.seconds

    def disturb(self, variant: str, name: str, most: int) -> None:
        """Train a variant, disturbed up to ``most`` times, until it is finished; note what was lost."""
        words = self.words(variant, name)
        met: Counter[str] = Counter()
        for _ in range(ATTEMPTS):
            kinds, weights = list(DISTURBANCES), list(DISTURBANCES.values())
            kind = self.random.choices(kinds, weights)[0] if met.total() < most else ""
            done = start([*words, "resume=true"], kind, self.random.uniform(0, self._seconds[variant]))
            self.figures.starts += 1
            if "Traceback" in done.printed:
                self.figures.lost.append(f"{name}: a traceback after {kind or 'nothing'}: {done.printed}")
            if done.status == 0:
                break
            if not is_as_meant(done, kind):
                self.figures.lost.append(f"{name}: status {done.status} after {kind or 'nothing'}: {done.printed}")
                return
            met[kind] += 1
        self.figures.disturbances += met
        self.figures.runs += 1
        whole, other = (run_folder(self.folder / each) for each in (f"whole_{variant}", name))
        self.figures.lost += [f"{name}: {found}" for found in differences(whole, other)]


def is_as_meant(done: Start, kind: str) -> bool:
    """Whether a process ended as its disturbance makes it: at once, having saved, or with one sentence."""
    if kind == "full disk":
        return done.status == 1 and len(re.findall("No space left", done.printed)) == 1
    if kind == "SIGKILL":
        return done.status == -signal.SIGKILL
    # Before the first batch there is nothing to save.
    return bool(kind) and done.status in (-signal.Signals[kind], 128 + signal.Signals[kind])


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200, help="disturbances at least (default %(default)s)")
    parser.add_argument("--each", type=int, default=4, help="disturbances of a run at most (default %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the moments and kinds (default %(default)s)")
    parser.add_argument("--variants", default=",".join(VARIANTS), help="names, separated by commas")
    parser.add_argument("--figures", type=Path, help="a JSON file for what was done")
    options = parser.parse_args(arguments)
    began = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="storm-"))
    storm, variants = Storm(folder, options.seed), options.variants.split(",")
    storm.train_undisturbed(variants)
    figures = storm.figures
    while figures.disturbances.total() < options.kills and not figures.lost:
        variant = variants[figures.runs % len(variants)]
        storm.disturb(variant, f"run{figures.runs}_{variant}", options.each)
        print(f"{figures.runs} runs, {dict(figures.disturbances)}, lost: {len(figures.lost)}", flush=True)
    content = {**vars(figures), "variants": variants, "seed": options.seed, "seconds": round(time.monotonic() - began)}
    if options.figures is not None:
        options.figures.write_text(json.dumps(content, indent=2) + "\n")
    for lost in figures.lost:
        print(f"LOST {lost}")
    print(f"{figures.disturbances.total()} disturbances of {figures.runs} runs survived, {len(figures.lost)} losses")
    if figures.lost:
        print(f"The runs are kept in {folder}")
        return 1
    import shutil

    shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())

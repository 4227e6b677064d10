"""Measure the speed-up of a sweep side by side: the same runs one after the other, and by joblib's workers.

    python scripts/bench_sweep.py                       # 4 runs, 2 workers; about ten minutes on an idle machine
    python scripts/bench_sweep.py --runs 8 --workers 4 --threads 2 total_kimg=60 model=wgan_gp

Each way starts from nothing, in a folder of its own, alternately, ``--repeats`` times; the medians are compared. The
machine must do nothing else. A run of the basic launcher has all its threads to itself unless ``--threads`` is given.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

DEFAULTS = ["logger=csv", "network.width=16", "total_kimg=20", "callbacks.evaluate.every_kimg=20"]


def measure(options: argparse.Namespace, launcher: list[str], threads: int | None) -> float:
    """Return the seconds that a sweep takes from nothing to its table."""
    folder = Path(tempfile.mkdtemp(prefix="bench_sweep"))
    seeds = ",".join(str(seed) for seed in range(1, options.runs + 1))
    words = [*DEFAULTS, *options.overrides, f"seed={seeds}", f"paths.outputs={folder}", *launcher]
    environment = dict(os.environ)
    environment.pop("OMP_NUM_THREADS", None)
    if threads is not None:
        environment["OMP_NUM_THREADS"] = str(threads)
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "ganforge.cli", "train", "-m", *words],
        env=environment,
        check=False,
        capture_output=True,
        text=True,
    )
    seconds = time.perf_counter() - started
    shutil.rmtree(folder)
    if done.returncode:
        sys.exit(done.stdout[-2000:] + done.stderr[-2000:])
    return seconds


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=4)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--threads", type=int, help="of each run, both ways; default: all cores, and cores / workers")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("overrides", nargs="*", help="of ganforge train")
    options = parser.parse_args()
    ways = {"basic": [], "joblib": ["hydra/launcher=joblib", f"hydra.launcher.n_jobs={options.workers}"]}
    measure(options, ways["basic"], options.threads)  # fills caches of decoded images and of real statistics
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(options.repeats):
        for way, launcher in ways.items():
            seconds[way].append(measure(options, launcher, options.threads))
    medians = {way: statistics.median(values) for way, values in seconds.items()}
    print(f"{options.runs} runs, {os.cpu_count()} cores, medians of {options.repeats}:")
    print(f"  one after the other       {medians['basic']:8.1f} s")
    print(f"  {options.workers} at once by joblib      {medians['joblib']:8.1f} s")
    print(f"  speed-up                  {medians['basic'] / medians['joblib']:8.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Measure how many modes of 2-D mixtures GAN variants capture, and write the table of docs/mode_coverage.md.

Every run is a ``ganforge train`` of its own. Finished runs are not repeated, stopped ones resume: repeat the
command until the table is complete.
"""

import argparse
import csv
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

#: What each variant changes in experiment=mixture. WGAN-GP's coefficient and betas are those of its authors'
#: toy experiments, R3GAN's betas are its paper's; its gamma, 0.01, is a guess for points. Nothing was tuned.
VARIANTS: dict[str, list[str]] = {
    "vanilla": ["model=dcgan"],
    "pacgan2": ["model=pacgan", "data.batch_size=200"],
    "wgan_gp": [
        "model=dcgan",
        "loss=wasserstein",
        "term=[gradient_penalty]",
        "term.gradient_penalty.weight=0.1",
        "model.n_critic=5",
        "optimizer.generator.betas=[0.5,0.9]",
        "optimizer.discriminator.betas=[0.5,0.9]",
    ],
    "rpgan_r1_r2": [
        "model=dcgan",
        "loss=relativistic_paired",
        "term=[r1,r2]",
        "term.r1.weight=0.01",
        "term.r2.weight=0.01",
        "optimizer.generator.betas=[0.0,0.99]",
        "optimizer.discriminator.betas=[0.0,0.99]",
    ],
    "unrolled5": ["model=unrolled", "model.unroll_steps=5"],
}
TITLES = {
    "vanilla": "GAN, non-saturating",
    "pacgan2": "PacGAN2, packs of 2",
    "wgan_gp": "WGAN-GP, 0.1, 5 steps of D a step of G",
    "rpgan_r1_r2": "relativistic pairing + R1 + R2 (R3GAN's loss), 0.01",
    "unrolled5": "unrolled GAN, 5 steps",
}
MIXTURES = {"ring": 8, "grid": 25}
COLUMNS = ("modes", "high_quality", "reverse_kl")


@dataclass(frozen=True)
class Run:
    """One training run."""

    mixture: str
    variant: str
    seed: int
    overrides: tuple[str, ...]
    folder: Path

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do."""
        try:
            return bool(json.loads((self.folder / "run.json").read_text())["state"] == "finished")
        except (OSError, ValueError, KeyError):
            return False

    def scores(self) -> tuple[dict[str, float], str]:
        """Return the last scores and their protocol."""
        scores, protocol = {}, ""
        with (self.folder / "metrics.csv").open(newline="") as handle:
            for row in csv.DictReader(handle):
                if row["name"].startswith("metrics/"):
                    scores[row["name"].removeprefix("metrics/")] = float(row["value"])
                    protocol = row["protocol"]
        return scores, protocol


def plan(arguments: argparse.Namespace) -> list[Run]:
    """Return every run, seeds outermost so that an early stop leaves whole tables of fewer seeds."""
    budget = f"{arguments.steps}_steps_width_{arguments.width}_rate_{arguments.learning_rate:g}"
    runs = []
    for seed in range(arguments.seeds):
        for mixture in arguments.mixtures:
            for variant in arguments.variants:
                batch = 200 if variant == "pacgan2" else 100
                folder = arguments.outputs / budget / mixture / variant / f"seed{seed}"
                kimg = arguments.steps * batch / 1000
                overrides = (
                    "experiment=mixture",
                    f"data={mixture}",
                    *VARIANTS[variant],
                    f"name={mixture}_{variant}",
                    f"paths.run={folder}",
                    f"seed={seed}",
                    f"total_kimg={kimg:g}",
                    f"optimizer.generator.lr={arguments.learning_rate}",
                    f"optimizer.discriminator.lr={arguments.learning_rate}",
                    f"network.width={arguments.width}",
                    f"network.discriminator.width={arguments.width // 2}",
                    f"callbacks.evaluate.every_kimg={kimg / 10:g}",
                    f"callbacks.checkpoint.every_kimg={kimg / 5:g}",
                    f"callbacks.samples.every_kimg={kimg:g}",
                    f"callbacks.curves.every_kimg={kimg:g}",
                    "logger=csv",
                    "trainer=cpu",
                )
                runs.append(Run(mixture, variant, seed, overrides, folder))
    return runs


def train(run: Run) -> None:
    """Train one run in a process of its own, or go on with it."""
    command = [sys.executable, "-m", "ganforge.cli", "train", *run.overrides, "resume=auto"]
    started = time.perf_counter()
    done = subprocess.run(
        command, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, check=False
    )
    minutes = (time.perf_counter() - started) / 60
    outcome = "done" if run.finished else f"FAILED: {done.stderr.strip().splitlines()[-1:]}"
    print(f"{run.mixture} {run.variant} seed {run.seed}: {outcome}, {minutes:.1f} min", flush=True)


def mean(values: Sequence[float], scale: float, digits: int) -> str:
    """Return the mean and its standard error."""
    values = [value * scale for value in values]
    text = f"{statistics.fmean(values):.{digits}f}"
    if len(values) < 2:
        return text
    spread = statistics.stdev(values) if max(values) < float("inf") else float("nan")
    return f"{text} ± {spread / len(values) ** 0.5:.{digits}f}"


def table(runs: list[Run], mixture: str) -> list[str]:
    """Return one mixture's rows."""
    lines = [
        f"| {mixture} | seeds | modes (of {MIXTURES[mixture]}) | high quality, % | reverse KL |",
        "|---|--:|--:|--:|--:|",
    ]
    for variant in VARIANTS:
        done = [run.scores() for run in runs if (run.mixture, run.variant) == (mixture, variant) and run.finished]
        if done:
            columns = {name: [scores[name] for scores, _ in done] for name in COLUMNS}
            cells = [
                mean(columns[name], scale, digits)
                for name, scale, digits in zip(COLUMNS, (1, 100, 1), (1, 1, 2), strict=True)
            ]
            lines.append(f"| {TITLES[variant]} | {len(done)} | {' | '.join(cells)} |")
    protocols = {protocol for run in runs if run.mixture == mixture and run.finished for protocol in (run.scores()[1],)}
    return [*lines, "", f"Protocol: {', '.join(sorted(protocols)) or 'nothing finished yet'}."]


def write(runs: list[Run], arguments: argparse.Namespace) -> None:
    """Write the page."""
    command = " ".join(
        ["python", "scripts/mode_coverage.py", *(word for word in sys.argv[1:] if word != "--only-table")]
    )
    lines = [
        "# Mode coverage on 2-D mixtures",
        "",
        f"Made by `{command}`; finished runs: {sum(run.finished for run in runs)} of {len(runs)}.",
        "",
        f"Budget of every run: {arguments.steps:,} discriminator steps, each on 100 logits of either kind",
        f"(packs of 2 use 200 points). G has 4 layers of {arguments.width}, D 3 maxout layers of",
        f"{arguments.width // 2}; Adam has learning rate {arguments.learning_rate:g}. PacGAN's own budget is",
        "400,000 steps with layers of 400 and 200 and learning rate 0.0001: its table 1 is not to be",
        "compared with these.",
        "",
        "Measured on 2,500 points from the raw generator at the end of training: modes with at least one",
        "point of high quality (nearer than 3 standard deviations), these points' share, and the KL",
        "divergence of their distribution over modes from the uniform one; means and standard errors over",
        "seeds. `inf`: some run had no point of high quality.",
        "",
    ]
    for mixture in arguments.mixtures:
        lines += [*table(runs, mixture), ""]
    arguments.target.parent.mkdir(parents=True, exist_ok=True)
    arguments.target.write_text("\n".join(lines))
    print(arguments.target)


def parse(words: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--steps", type=int, default=10_000, help="discriminator steps a run")
    parser.add_argument("--seeds", type=int, default=5, help="runs a cell: seeds 0, 1, ...")
    parser.add_argument("--width", type=int, default=128, help="of G's layers; D's: half")
    parser.add_argument("--learning-rate", type=float, default=1e-3, help="Adam's, both players")
    parser.add_argument("--workers", type=int, default=1, help="runs at a time, one thread each")
    parser.add_argument("--mixtures", nargs="+", choices=list(MIXTURES), default=list(MIXTURES))
    parser.add_argument("--variants", nargs="+", choices=list(VARIANTS), default=list(VARIANTS))
    parser.add_argument("--outputs", type=Path, default=Path("outputs/mode_coverage"), help="folder of the runs")
    parser.add_argument("--target", type=Path, default=Path("docs/mode_coverage.md"), help="the page")
    parser.add_argument("--only-table", action="store_true", help="write the page from what is finished")
    return parser.parse_args(words)


def main() -> int:
    arguments = parse()
    runs = plan(arguments)
    left = [run for run in runs if not run.finished]
    print(f"{len(runs) - len(left)} of {len(runs)} runs are finished", flush=True)
    if not arguments.only_table:
        with ThreadPoolExecutor(arguments.workers) as pool:
            list(pool.map(train, left))
    write(runs, arguments)
    return 0 if arguments.only_table or all(run.finished for run in runs) else 1


if __name__ == "__main__":
    sys.exit(main())

"""Train every variant of conf/model/ on the same pictures, and show each one's samples: docs/gallery.md.

    nice python scripts/gallery.py --workers 2
    nice python scripts/gallery.py --workers 2 --data robohash        # in colour: docs/gallery_robohash.md

Every run is a ``ganforge train`` of its own, in one thread, with the same seed, batch and number of images, and then a
``ganforge evaluate`` of its last checkpoint. Finished runs are not repeated, stopped ones resume, and one that fails is
shown with its error: repeat the command until the page is complete.
"""

import argparse
import json
import os
import shlex
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from hydra.utils import instantiate
from omegaconf import OmegaConf
from PIL import Image, ImageDraw, ImageFont

from ganforge.core.config import config_folder
from ganforge.runs.folder import RunFolder
from ganforge.runs.log import read_curves

#: Variants that are not for images.
SKIPPED = {"simultaneous": "it is for the games of theory in the plane"}
#: Datasets of 32-pixel images: the protocol of the values, and what the page calls the images.
DATASETS = {
    "mnist5k": ("digits", "digits"),
    "robohash": ("offline", "robots"),
    "earth": ("offline", "satellite tiles"),
}
FEATURES = {"digits": "the shipped digit classifier", "offline": "EfficientNet-lite0"}
SIDE, COLUMNS, TITLE, GAP = 172, 7, 34, 10  # pixels of a grid of 5 x 5 images and its surroundings; grids a row


@dataclass(frozen=True)
class Run:
    """One training run, and what it left."""

    name: str
    overrides: tuple[str, ...]
    folder: Path
    log: Path
    protocol: str

    @property
    def command(self) -> str:
        """What to type for this run."""
        return shlex.join(["ganforge", "train", *self.overrides])

    @property
    def state(self) -> str:
        """``finished``, ``stopped``, ``failed``, ``running`` or ``not run``."""
        state = RunFolder(self.folder).status().get("state")
        return str(state) if state else ("failed" if self.log.exists() else "not run")

    def outcome(self) -> str:
        """Return what happened, in one sentence: for a failure the run's own last words."""
        unmeasured = self.state == "finished" and self.measured() is None
        if (self.state == "failed" or unmeasured) and self.log.exists():
            words = ["", *(line for line in self.log.read_text(errors="replace").splitlines() if line.strip())]
            return f"{'not measured' if unmeasured else 'failed'}: {words[-1].removeprefix('ganforge: ')}"
        return f"stopped at {self.kimg:.1f} kimg" if self.state == "stopped" else self.state

    @cached_property
    def curves(self) -> dict[str, tuple[list[float], list[float]]]:
        """Every logged value; read once, after training."""
        return read_curves(self.folder / "metrics.csv")

    @property
    def kimg(self) -> float:
        """Thousands of images seen."""
        return max((seen[-1] for seen, _ in self.curves.values()), default=0) / 1000

    def measured(self) -> dict[str, Any] | None:
        """What ``ganforge evaluate`` found of the last checkpoint."""
        try:
            found: dict[str, Any] = json.loads((self.folder / "evaluation" / "values.json").read_text())
        except (OSError, ValueError):
            return None
        return dict(found["protocols"][self.protocol])

    def parameters(self) -> dict[str, int]:
        """Count each player's parameters from the run's own configuration."""
        module: Any = instantiate(OmegaConf.load(self.folder / "config.yaml").model)
        return {
            player: sum(parameter.numel() for part in parts for parameter in part.parameters())
            for player, parts in module.players().items()
        }

    def result(self) -> dict[str, Any]:
        """Return the row of the table; absent values are ``None``."""
        row: dict[str, Any] = dict.fromkeys(("parameters", "fid", "interval", "score", "protocol"))
        row |= {"outcome": self.outcome(), "command": self.command}
        measured = self.measured()
        if measured is None:
            return row
        return row | {
            "parameters": self.parameters(),
            "fid": measured["values"].get("fid"),
            "interval": measured["intervals"].get("fid"),
            "score": measured["values"].get("inception_score"),
            "protocol": measured["tag"],
        }


def plan(arguments: argparse.Namespace) -> list[Run]:
    """Return one run a variant, found on disk."""
    names = sorted(path.stem for path in (config_folder() / "model").glob("[!_]*.yaml"))
    unknown = sorted(set(arguments.variants or ()) - set(names))
    if unknown:
        raise SystemExit(f"There is no variant {', '.join(unknown)}: choose from {', '.join(names)}.")
    logs = arguments.outputs / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    runs = []
    for name in arguments.variants or [name for name in names if name not in SKIPPED]:
        folder = arguments.outputs / name
        overrides = [
            f"model={name}",
            f"data={arguments.data}",
            *([] if arguments.data == "mnist5k" else ["data.image_size=32"]),
            "budget=small",
            f"total_kimg={arguments.kimg:g}",
            f"seed={arguments.seed}",
            "protocol=[]",
            f"callbacks.checkpoint.every_kimg={arguments.kimg / 2:g}",
            f"callbacks.samples.every_kimg={arguments.kimg / 4:g}",
            f"callbacks.curves.every_kimg={arguments.kimg:g}",
            "callbacks.samples.images=25",
            "logger=csv",
            "trainer=cpu",
            f"paths.run={folder}",
        ]
        runs.append(Run(name, tuple(overrides), folder, logs / f"{name}.txt", DATASETS[arguments.data][0]))
    return runs


def train(run: Run, minutes: float | None) -> None:
    """Train one run in a process of its own, or go on with it; after ``minutes`` it saves and stops."""
    command = [sys.executable, "-m", "ganforge.cli", "train", *run.overrides, "resume=auto"]
    with run.log.open("w") as log:
        process = subprocess.Popen(
            command, env={**os.environ, "OMP_NUM_THREADS": "1"}, stdout=log, stderr=subprocess.STDOUT
        )
        try:
            process.wait(None if minutes is None else minutes * 60)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)
            process.wait()
    if run.state == "finished" and run.measured() is None:
        words = ["evaluate", f"run={run.folder}", f"protocol={run.protocol}", f"output={run.folder / 'evaluation'}"]
        command = [sys.executable, "-m", "ganforge.cli", *words, "trainer.accelerator=cpu"]
        with run.log.open("a") as log:
            subprocess.run(command, env={**os.environ, "OMP_NUM_THREADS": "1"}, stdout=log, stderr=log, check=False)
    print(f"{run.name}: {run.outcome()}", flush=True)


def contact_sheet(runs: list[Run], results: dict[str, Any], target: Path) -> None:
    """Draw every run's last grid under its name; what has none is an empty frame that says why."""
    rows = -(-len(runs) // COLUMNS)
    width, height = SIDE + GAP, SIDE + TITLE + GAP
    columns = min(COLUMNS, len(runs))
    sheet = Image.new("RGB", (columns * width + GAP, rows * height + GAP), "white")
    draw = ImageDraw.Draw(sheet)
    name_font, small_font = ImageFont.load_default(15), ImageFont.load_default(11)
    for index, run in enumerate(runs):
        x, y = GAP + index % COLUMNS * width, GAP + index // COLUMNS * height
        row = results[run.name]
        draw.text((x, y), run.name, "black", name_font)
        fid = "" if row["fid"] is None else f"FID {row['fid']:.1f}  "
        draw.text((x, y + 18), f"{fid}{row['outcome'].partition(':')[0]}", "dimgray", small_font)
        picture = run.folder / "samples" / "latest.png"
        if picture.exists():
            sheet.paste(Image.open(picture, formats=["PNG"]).convert("RGB").crop((0, 0, SIDE, SIDE)), (x, y + TITLE))
        else:
            draw.rectangle((x, y + TITLE, x + SIDE, y + TITLE + SIDE), outline="lightgray")
    target.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(target, optimize=True)


def number(value: float | None, digits: int = 1) -> str:
    """Return a number, or a dash where there is none."""
    return "-" if value is None else f"{value:,.{digits}f}"


def commits(runs: list[Run]) -> str:
    """Return the versions of the code that the runs were trained with: the numbers of another one may differ."""
    found: dict[str, list[str]] = {}
    for run in runs:
        version, plus, _ = str(RunFolder(run.folder).status().get("git") or "unknown").partition("+")
        found.setdefault(version[:8] + plus, []).append(run.name)
    return "; ".join(f"{version}: {', '.join(names)}" for version, names in sorted(found.items()))


def page(runs: list[Run], results: dict[str, Any], arguments: argparse.Namespace) -> str:
    """Return the page."""
    protocols = sorted({row["protocol"] for row in results.values() if row["protocol"]})
    rows = []
    for run in runs:
        row = results[run.name]
        counts = row["parameters"] or {}
        cells = [
            f"`{run.name}`",
            number(counts.get("generator"), 0),
            number(counts.get("discriminator"), 0),
            number(row["fid"], 1),
            "-" if row["interval"] is None else " to ".join(number(end, 1) for end in row["interval"]),
            number(row["score"], 2),
            row["outcome"].replace("|", "\\|"),
        ]
        rows.append(f"| {' | '.join(cells)} |")
    protocol, images = DATASETS[arguments.data]
    command = " ".join(["python", "scripts/gallery.py", *(word for word in sys.argv[1:] if word != "--only-page")])
    skipped = "; ".join(f"`{name}` is left out: {why}" for name, why in SKIPPED.items())
    return "\n".join(
        [
            f"# Gallery: every variant on the same {images}",
            "",
            f"Made by `{command}`; {skipped}.",
            "",
            f"![Samples of every variant](images/{page_name(arguments)}.png)",
            "",
            f"Every run: {arguments.kimg:g} thousand real images of `data={arguments.data}` with `budget=small`, seed "
            f"{arguments.seed}, one thread of a CPU. Nothing was tuned: rates are those of the papers, networks and "
            "batches those of the budget. The clock is images that the discriminator has seen: a variant "
            "with `n_critic=5` has a fifth of the generator steps of the others. This shows that each variant "
            "trains, and what it draws after a few minutes; it does not rank papers.",
            "",
            f"FID and Inception Score are those of the last checkpoint (protocol {', '.join(protocols) or 'none yet'}: "
            f"features of {FEATURES[protocol]}, averaged generator; not comparable with published values); the "
            "interval is bootstrapped over the generated images and does not cover other seeds. Samples are not "
            "selected.",
            "",
            "| variant | parameters of G | of D | FID | 95 % interval | IS | what happened |",
            "|---|--:|--:|--:|--:|--:|---|",
            *rows,
            "",
            f"Commits that the runs were trained at (+: with changes besides): {commits(runs)}.",
            "",
            "## Commands",
            "",
            "```",
            *(run.command for run in runs),
            "```",
            "",
        ]
    )


def page_name(arguments: argparse.Namespace) -> str:
    """Return the name of the page, its picture and its numbers."""
    return "gallery" if arguments.data == "mnist5k" else f"gallery_{arguments.data}"


def write(runs: list[Run], arguments: argparse.Namespace) -> None:
    """Write the page, its picture and its numbers."""
    results = {run.name: run.result() for run in runs}
    arguments.docs.mkdir(parents=True, exist_ok=True)
    contact_sheet(runs, results, arguments.docs / "images" / f"{page_name(arguments)}.png")
    numbers = {"kimg": arguments.kimg, "seed": arguments.seed, "variants": results}
    (arguments.docs / f"{page_name(arguments)}.json").write_text(json.dumps(numbers, indent=1) + "\n")
    (arguments.docs / f"{page_name(arguments)}.md").write_text(page(runs, results, arguments))
    print(arguments.docs / f"{page_name(arguments)}.md")


class _Help(argparse.RawDescriptionHelpFormatter, argparse.ArgumentDefaultsHelpFormatter):
    """The docstring as it is written, and every default."""


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=_Help)
    parser.add_argument("--kimg", type=float, default=40, help="thousands of images a run")
    parser.add_argument("--minutes", type=float, help="stop a run after so long; the same command goes on with it")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=1, help="runs at a time, one thread each")
    parser.add_argument("--data", choices=DATASETS, default="mnist5k", help="what all of them are trained on")
    parser.add_argument("--variants", nargs="+", help="these only; the page then shows these only")
    parser.add_argument(
        "--outputs", type=Path, help="folder of the runs (default: outputs/gallery, or outputs/gallery_DATA)"
    )
    parser.add_argument("--docs", type=Path, default=Path("docs"), help="folder of the page")
    parser.add_argument("--only-page", action="store_true", help="write the page from what there is")
    arguments = parser.parse_args()
    arguments.outputs = arguments.outputs or Path("outputs") / page_name(arguments)
    return arguments


def main() -> int:
    arguments = parse()
    runs = plan(arguments)
    left = [run for run in runs if run.state != "finished" or run.measured() is None]
    print(f"{len(runs) - len(left)} of {len(runs)} runs are finished", flush=True)
    if not arguments.only_page:
        with ThreadPoolExecutor(arguments.workers) as pool:
            list(pool.map(lambda run: train(run, arguments.minutes), left))
    write(runs, arguments)
    return 0


if __name__ == "__main__":
    sys.exit(main())

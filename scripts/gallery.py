"""Train every image variant with budget=small until it draws, and record what that took: docs/gallery.jsonl.

    nice python scripts/gallery.py --seeds 0 1 2

Every run is a ``ganforge train`` of its own, in one thread, that is evaluated as it trains. It is stopped once it is
alive (``gallery_runs.STUDIES`` says what that is), or when its processor time is spent: minutes of two cores, of the
whole process. Then its best checkpoint is measured again with an interval, and a line goes to docs/gallery.jsonl, from
which ``gallery_page.py`` makes docs/gallery.md. A run whose configuration is in that file is not repeated; one that was
stopped or killed goes on from its last checkpoint when the command is repeated. After a change of code that a
configuration does not show, delete its lines there and its folders.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import gallery_page
from gallery_runs import STUDIES, Run, Study, plan

POLL_SECONDS = 2

_stopping = threading.Event()
_writing = threading.Lock()


def ganforge(words: Sequence[str], log: Path, mode: str = "w") -> subprocess.Popen[bytes]:
    """Start a command in one thread, out of reach of this terminal's Ctrl-C, which is passed on once."""
    with log.open(mode) as output:
        return subprocess.Popen(
            [sys.executable, "-m", "ganforge.cli", *words],
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def is_over(run: Run, study: Study, limit: float) -> bool:
    """Whether a run is alive, or has spent its processor seconds."""
    return run.spent >= limit or any(map(study.is_alive, run.evaluations()))


def train(run: Run, study: Study, limit: float) -> bool:
    """Train until the run is alive, has spent ``limit`` processor seconds, or ends by itself.

    Returns:
        Whether that is settled; not if this script was told to stop.
    """
    if orphan := run.writer:  # the script that watched it was killed
        os.kill(orphan, signal.SIGINT)
        while run.writer == orphan:
            run.count(orphan)
            time.sleep(POLL_SECONDS)
    if is_over(run, study, limit):
        return True
    run.folder.parent.mkdir(parents=True, exist_ok=True)
    process = ganforge(["train", *run.overrides, "resume=auto"], run.log)
    signalled = False
    while process.poll() is None:
        run.count(process.pid)
        if not signalled and (_stopping.is_set() or is_over(run, study, limit)):
            process.send_signal(signal.SIGINT)  # it saves and stops
            signalled = True
        time.sleep(POLL_SECONDS)
    return not _stopping.is_set()


def measured(run: Run, study: Study, checkpoint: str, arguments: argparse.Namespace) -> dict[str, object]:
    """Measure a checkpoint with an interval and draw its samples."""
    output = run.folder / "evaluation"
    words = [f"run={run.folder}", f"checkpoint={checkpoint}"]
    chosen = [f"protocol=[{','.join(study.protocols)}]", f"output={output}", "trainer.accelerator=cpu"]
    ganforge(["evaluate", *words, *chosen], run.log, "a").wait()
    picture = arguments.docs / "images" / "gallery" / f"{run.data}_{run.variant}_{run.seed}.png"
    picture.parent.mkdir(parents=True, exist_ok=True)
    ganforge(["sample", *words, "n=20", "mode.columns=10", f"output={picture}", "device=cpu"], run.log, "a").wait()
    protocols = json.loads((output / "values.json").read_text())["protocols"]
    values = {name: value for one in protocols.values() for name, value in one["values"].items()}
    intervals = {name: ends for one in protocols.values() for name, ends in one["intervals"].items()}
    return {
        "values": {name: round(values[name], 3) for name in study.below},
        "intervals": {name: [round(end, 1) for end in intervals[name]] for name in study.below if name in intervals},
        "protocols": [one["tag"] for one in protocols.values()],
    }


def line(run: Run, study: Study, arguments: argparse.Namespace) -> dict[str, object]:
    """Return the ledger's line of a run that has ended."""
    evaluations = run.evaluations()
    status = run.status
    commit, plus, _ = str(status.get("git") or "unknown").partition("+")
    alive = [one for one in evaluations if study.is_alive(one)]
    failed = not alive and status.get("state") not in ("finished", "stopped")
    best = min(alive or evaluations, key=lambda one: one["fid"], default=None)
    record: dict[str, object] = {
        "data": run.data,
        "variant": run.variant,
        "seed": run.seed,
        "config": run.folder.name,
        "commit": commit[:8] + plus,
        "verdict": "alive" if alive else "failed" if failed else "not alive",
        "kimg": None if best is None else best["images_seen"] / 1000,
        "kimg_trained": None if best is None else evaluations[-1]["images_seen"] / 1000,
        "cpu_seconds": round(run.spent),
    }
    if best is not None:
        is_lowest = best["fid"] == min(one["fid"] for one in evaluations)
        record |= measured(run, study, "best" if is_lowest else "last", arguments)
    if failed:
        words = [one for one in run.log.read_text(errors="replace").splitlines() if one.strip()]
        record["error"] = words[-1].removeprefix("ganforge: ")
    return record | {"command": run.command}


def work(run: Run, arguments: argparse.Namespace) -> None:
    """Train, measure and record one run."""
    study = STUDIES[arguments.data]
    if _stopping.is_set():
        return
    print(f"{run.variant} seed {run.seed}: begins, {run.spent:.0f} s spent before", flush=True)
    if not train(run, study, 120 * (arguments.minutes or study.minutes)):
        print(f"{run.variant} seed {run.seed}: stopped; repeat the command to go on", flush=True)
        return
    record = line(run, study, arguments)
    with _writing:
        ledger = gallery_page.read(arguments.docs)
        ledger[run.key] = record
        gallery_page.write(ledger, arguments.docs)
    shown = {name: record.get(name) for name in ("verdict", "kimg", "cpu_seconds", "values", "error")}
    print(f"{run.variant} seed {run.seed}: {shown}", flush=True)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", choices=list(STUDIES), default="mnist5k", help="the table")
    parser.add_argument("--variants", nargs="+", help="these only, in this order")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--minutes", type=float, help="of two cores a run, in place of the study's")
    parser.add_argument("--workers", type=int, default=1, help="runs at a time, one thread each")
    parser.add_argument("--outputs", type=Path, default=Path("outputs/gallery"), help="folder of the runs")
    parser.add_argument("--docs", type=Path, default=Path("docs"), help="folder of the ledger and the page")
    return parser.parse_args()


def main() -> int:
    arguments = parse()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: _stopping.set())
    ledger = gallery_page.read(arguments.docs)
    runs = plan(arguments.data, arguments.variants, arguments.seeds, arguments.outputs)
    left = [run for run in runs if not gallery_page.is_settled(ledger.get(run.key), run.folder.name)]
    print(f"{len(runs) - len(left)} of {len(runs)} runs are in the ledger", flush=True)
    with ThreadPoolExecutor(arguments.workers) as pool:
        list(pool.map(lambda run: work(run, arguments), left))
    gallery_page.write(gallery_page.read(arguments.docs), arguments.docs)
    return 0


if __name__ == "__main__":
    sys.exit(main())

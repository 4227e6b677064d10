"""Real processes: all metrics agree on 1, 2 and 3 of them, and none waits for a dead one."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from quick import PATIENCE

pytestmark = pytest.mark.slow
METRICS = {
    "kid": "{_target_:ganforge.metrics.kernel.KernelDistance,subset_size:20}",
    "kid_full": "{_target_:ganforge.metrics.kernel.FullKernelDistance}",
    "pr": "{_target_:ganforge.metrics.manifold.PrecisionRecall}",
    "dc": "{_target_:ganforge.metrics.manifold.DensityCoverage}",
    "infinity": "{_target_:ganforge.metrics.frechet.FrechetInfinity}",
    "sliced": "{_target_:ganforge.metrics.sliced.SlicedWasserstein}",
    "pyramid": "{_target_:ganforge.metrics.sliced.PyramidWasserstein,images:50}",
    "similarity": "{_target_:ganforge.metrics.diversity.MultiScaleSimilarity,scales:2}",
    "intra": "{_target_:ganforge.metrics.classes.IntraClassFrechet}",
    "balance": "{_target_:ganforge.metrics.classes.ClassBalance}",
    "cas": "{_target_:ganforge.metrics.accuracy.ClassificationAccuracy}",
    "nearest": "{_target_:ganforge.metrics.memorisation.NearestTraining}",
    "authenticity": "{_target_:ganforge.metrics.memorisation.Authenticity}",
    "mifid": "{_target_:ganforge.metrics.memorisation.MemorizationInformedFrechet}",
    "gap": "{_target_:ganforge.metrics.memorisation.FrechetGap}",
}
#: 211 images in batches of 20: neither the batches nor the images divide by 2 or 3.
FEW = [
    "protocol=digits",
    "protocol.digits.num_fake=211",
    "protocol.digits.sampling.batch_size=20",
    "trainer.accelerator=cpu",
]


def command(*words):
    return [sys.executable, "-m", "ganforge.cli", *words]


@pytest.fixture
def run(train, run_folder):
    assert train("model=acgan") == 0
    return run_folder()


def test_every_metric_agrees_on_any_number_of_processes(run):
    added = [f"+protocol.digits.metrics.{name}={metric}" for name, metric in METRICS.items()]
    found = {}
    for processes in (1, 2, 3):
        output = Path(f"on{processes}")
        words = [
            "evaluate",
            f"run={run}",
            f"output={output}",
            f"trainer.devices={processes}",
            "bootstrap=5",
            *FEW,
            *added,
        ]
        done = subprocess.run(command(*words), capture_output=True, text=True, check=False, timeout=PATIENCE)
        assert done.returncode == 0, done.stderr
        found[processes] = json.loads((output / "values.json").read_text())["protocols"]["digits"]
    assert len(found[1]["values"]) > 30
    for processes in (2, 3):
        assert found[processes]["tag"] == found[1]["tag"]
        assert found[processes]["values"] == pytest.approx(found[1]["values"], rel=1e-6, abs=1e-9, nan_ok=True)
        assert found[processes]["intervals"]["fid"] == pytest.approx(found[1]["intervals"]["fid"], rel=1e-6)


def test_no_process_waits_for_a_dead_one(run):
    words = ["evaluate", f"run={run}", "trainer.devices=3", *FEW, "protocol.digits.num_fake=2000000"]
    started = subprocess.Popen(command(*words), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    victim = _worker(started.pid, deadline=time.monotonic() + PATIENCE)
    time.sleep(5)
    os.kill(victim, signal.SIGKILL)
    killed = time.monotonic()
    _, error = started.communicate(timeout=PATIENCE)
    assert time.monotonic() - killed < PATIENCE
    assert started.returncode == 1
    assert "One of the 3 processes failed" in error.splitlines()[-1]


def _worker(parent, deadline):
    """Return the process of rank 1, once it samples."""
    while time.monotonic() < deadline:
        for entry in Path("/proc").iterdir():
            try:
                environment = (entry / "environ").read_bytes().split(b"\0")
                words = (entry / "cmdline").read_bytes().split(b"\0")
                seconds = sum(map(int, (entry / "stat").read_text().rpartition(")")[2].split()[11:13])) / 100
            except (OSError, ValueError):
                continue
            if (
                b"ganforge.commands.evaluate" in words
                and b"RANK=1" in environment
                and seconds > 6
                and _descends(entry, parent)
            ):
                return int(entry.name)
        time.sleep(0.5)
    raise AssertionError("no worker has started")


def _descends(entry, ancestor):
    while entry.name not in ("0", "1"):
        if int(entry.name) == ancestor:
            return True
        entry = Path("/proc") / (entry / "stat").read_text().rpartition(")")[2].split()[1]
    return False

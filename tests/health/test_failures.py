"""Runs made to fail in each way raise their alarm, and no healthy one does; on several processes too."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ganforge import cli
from quick import PATIENCE

pytestmark = pytest.mark.slow

#: 8 x 8 digits, networks of some thousand weights: seconds of one core.
TINY = [
    "data=digits",
    "protocol=[]",
    "network.width=8",
    "data.batch_size=32",
    "logger=csv",
    "trainer=cpu",
    "callbacks.samples=null",
    "callbacks.curves=null",
    "callbacks.health.every_kimg=1",
    "callbacks.health.grace_steps=100",
]
#: Critics of one hidden layer more, with batch norm: 16 pixels.
LARGER = "data.image_size=16"
FAILURES = {
    # A critic so far ahead from the start that the generator never learns: its samples stay alike, its gradient dies.
    "collapse vanishing_gradient": [
        "loss=minimax",
        "optimizer.discriminator.lr=0.005",
        "model.n_critic=5",
        "data.batch_size=64",
        "callbacks.health.grace_steps=40",
        "total_kimg=18",
    ],
    "divergence": [
        LARGER,
        "loss=wasserstein",
        "optimizer.generator.lr=0.05",
        "optimizer.discriminator.lr=0.05",
        "total_kimg=6",
    ],
    # 17 training images, learned by heart.
    "overfitting": [
        LARGER,
        "data.source.heldout=0.99",
        "data.batch_size=16",
        "network.width=16",
        "optimizer.discriminator.lr=0.001",
        "callbacks.health.every_kimg=2",
        "total_kimg=30",
    ],
}
HEALTHY = {
    "dcgan": [],
    # At the papers' rate a critic this small learns nothing in 32 kimg, and samples stay alike: rightly an alarm.
    "wgan_gp": [
        "loss=wasserstein",
        "term=[gradient_penalty]",
        "optimizer=adam_momentumless",
        "model.n_critic=2",
        "optimizer.generator.lr=0.001",
        "optimizer.discriminator.lr=0.001",
    ],
    "r3gan": ["loss=relativistic_paired", "term=[r1,r2]", "term.r1.weight=0.05", "term.r2.weight=0.05"],
}


def alarms():
    (path,) = Path("outputs").glob("*/*/run.json")
    return [alarm["name"] for alarm in json.loads(path.read_text())["health"]["alarms"]]


@pytest.mark.parametrize("names", FAILURES)
def test_each_failure_raises_its_alarm(names):
    assert cli.main(["train", *TINY, *FAILURES[names]]) == 0
    assert set(names.split()) <= set(alarms())


@pytest.mark.parametrize("name", HEALTHY)
def test_a_healthy_run_raises_none(name):
    assert cli.main(["train", *TINY, "total_kimg=32", *HEALTHY[name]]) == 0
    assert alarms() == []


@pytest.mark.parametrize("action", ["stop", "rollback"])
def test_processes_decide_alike(action):
    """Two processes stop together, or return to the same weights together; none waits for the other."""
    from test_health import CALM, COLLAPSE, EXPLODE

    failing = {"stop": [COLLAPSE], "rollback": [EXPLODE, "callbacks.health.slow_down=1e-34"]}[action]
    options = ["debug=smoke", "network.width=4", "logger=csv", "trainer=cpu", "trainer.devices=2", "protocol=[]"]
    options += [*CALM, *failing, f"callbacks.health.action={action}", "total_kimg=0.256"]
    done = subprocess.run(
        [sys.executable, "-m", "ganforge.cli", "train", *options],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
        env=dict(os.environ),
    )
    assert done.returncode == (1 if action == "stop" else 0), done.stderr
    (path,) = Path("outputs").glob("*/*/run.json")
    health = json.loads(path.read_text())["health"]
    assert health["stopped_by"] == ("collapse" if action == "stop" else None)
    assert len(health["rollbacks"]) == (0 if action == "stop" else 1)
    assert done.stdout.count("Try: ") == 1  # reported by one process

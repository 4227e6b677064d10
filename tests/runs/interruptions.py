"""What ends runs in the middle: kills, signals; and what must be equal afterwards."""

import csv
import os
from contextlib import contextmanager
from pathlib import Path

import torch

from ganforge.models.base import AdversarialModule
from ganforge.runs.folder import load_checkpoint


class Killed(BaseException):
    """What a test has instead of SIGKILL: nothing takes a file's place any more after it."""


@contextmanager
def killed_at(monkeypatch, number):
    """Count files that take their place (checkpoints, run.json, ...), and end the process's work before one of them."""
    places, replace = [], Path.replace

    def counted(path, target):
        if "outputs" in Path(target).parts:  # not the caches, which the first run alone fills
            places.append(Path(target).name)
        if number is not None and len(places) > number:
            raise Killed
        return replace(path, target)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", counted)
        yield places


@contextmanager
def signalled_at(monkeypatch, images, signal_number):
    """Send this process a signal in the batch that begins at ``images``."""
    step = AdversarialModule.training_step

    def signalled(module, batch, batch_idx):
        if module.images_seen == images:
            os.kill(os.getpid(), signal_number)
        step(module, batch, batch_idx)

    with monkeypatch.context() as patched:
        patched.setattr(AdversarialModule, "training_step", signalled)
        yield


def rows_of(folder):
    """Return what a run has logged, without times and speeds."""
    with (folder / "metrics.csv").open() as handle:
        table = list(csv.DictReader(handle))
    return [(row["images_seen"], row["name"], row["value"]) for row in table if not row["name"].startswith("speed/")]


def last(folder):
    return load_checkpoint(folder / "checkpoints" / "last.ckpt")


def assert_same_run(folder, whole):
    """Compare weights, averages, optimizers and the log to the bit."""
    for part in ("state_dict", "optimizer_states"):
        torch.testing.assert_close(last(folder)[part], last(whole)[part], rtol=0, atol=0)
    assert rows_of(folder) == rows_of(whole)

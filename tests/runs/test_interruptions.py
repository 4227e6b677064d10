"""Killed at any moment or stopped by a signal: resume=true ends where an uninterrupted run ends."""

import json
import os
import signal
from pathlib import Path

import pytest
import torch
from interruptions import Killed, assert_same_run, killed_at, rows_of, signalled_at

from ganforge import cli
from ganforge.runs.folder import RunFolder, load_checkpoint
from quick import SMOKE

#: Intervals of the log, checkpoints, evaluations and health checks at different clocks, and lazy players.
OPTIONS = [
    "total_kimg=0.16",
    "model.n_critic=2",
    "model.log_every=4",
    "callbacks.health.every_kimg=0.16",
    "callbacks.checkpoint.every_kimg=0.08",
    "callbacks.evaluate.every_kimg=0.16",
    "callbacks.samples=null",
]


@pytest.fixture
def train():
    """Run ``ganforge train`` with everything that it writes, and return its exit status."""
    return lambda *overrides: cli.main(["train", *SMOKE, *overrides])


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Return the folder of an uninterrupted run, and the files of its folder in the order in which they took place."""
    place = tmp_path_factory.mktemp("whole")
    before = Path.cwd()
    os.chdir(place)
    try:
        with pytest.MonkeyPatch.context() as patch, killed_at(patch, None) as places:
            assert cli.main(["train", *SMOKE, *OPTIONS, "name=whole", f"paths.cache={place}/cache"]) == 0
            return place / folder_of("whole"), list(places)
    finally:
        os.chdir(before)


def folder_of(name):
    (folder,) = [path.parent for path in Path("outputs", name).glob("*/run.json")]
    return folder


@pytest.mark.parametrize(
    "before_the_end",
    [pytest.param(number, marks=[] if number in (0, 5) else pytest.mark.slow) for number in range(9)],
)
def test_killed_before_any_file_of_the_ending_takes_its_place(before_the_end, whole, train, monkeypatch, capsys):
    uninterrupted, places = whole
    number = len(places) - 1 - before_the_end
    with killed_at(monkeypatch, number) as reached, pytest.raises(Killed):
        train(*OPTIONS, "name=parts")
    assert reached[: number + 1] == places[: number + 1]
    assert json.loads((folder_of("parts") / "run.json").read_text())["state"] == "running"
    assert train(*OPTIONS, "name=parts", "resume=true") == 0
    folder = folder_of("parts")
    assert_same_run(folder, uninterrupted)
    status, expected = (json.loads((path / "run.json").read_text()) for path in (folder, uninterrupted))
    for key in ("state", "images_seen", "scores", "best", "ending", "data"):
        assert status[key] == expected[key], key
    best = load_checkpoint(folder / "checkpoints" / "best.ckpt")
    assert best["ganforge"]["images_seen"] == status["best"]["images_seen"]
    capsys.readouterr()
    assert train(*OPTIONS, "name=parts", "resume=true") == 0
    assert "This run is finished" in capsys.readouterr().out


@pytest.mark.parametrize("number", range(3))
def test_killed_before_any_file_of_the_beginning_takes_its_place(number, train, monkeypatch):
    """A folder that holds something, and no run.json, would be taken for somebody else's."""
    options = ["total_kimg=0.016", "protocol=[]", "callbacks={health: null, samples: null}"]
    with killed_at(monkeypatch, number) as reached, pytest.raises(Killed):
        train(*options, "name=parts")
    assert reached[0] == "run.json"
    assert train(*options, "name=parts", "resume=true") == 0
    assert json.loads((folder_of("parts") / "run.json").read_text())["state"] == "finished"


@pytest.mark.parametrize(
    ("number", "images"),
    [
        pytest.param(signal.SIGTERM, 0, marks=pytest.mark.slow),
        (signal.SIGTERM, 32),
        pytest.param(signal.SIGINT, 80, marks=pytest.mark.slow),
        pytest.param(signal.SIGUSR1, 96, marks=pytest.mark.slow),
    ],
)
def test_stopped_by_a_signal_logs_what_an_uninterrupted_run_logs(number, images, whole, train, monkeypatch):
    with signalled_at(monkeypatch, images, number):
        assert train(*OPTIONS, "name=parts") == 128 + number
    assert train(*OPTIONS, "name=parts", "resume=true") == 0
    assert_same_run(folder_of("parts"), whole[0])


@pytest.mark.slow
def test_stopped_in_each_batch(whole, train, monkeypatch):
    """One batch at a time: every interval of the log is cut wherever it can be."""
    for images in range(0, 160, 16):
        with signalled_at(monkeypatch, images, signal.SIGTERM):
            train(*OPTIONS, "name=parts", "resume=auto")
    assert_same_run(folder_of("parts"), whole[0])


def test_the_log_row_of_a_checkpoint_survives_a_kill_without_health_checks(train, monkeypatch):
    """The interval that a checkpoint closes is logged a batch later; what was killed between still logs it."""
    options = [*OPTIONS, "callbacks.health=null", "protocol=[]", "model.log_every=7"]
    with killed_at(monkeypatch, None) as places:
        assert train(*options, "name=whole") == 0
    first_record = places.index("last.ckpt") + 1
    with killed_at(monkeypatch, first_record), pytest.raises(Killed):
        train(*options, "name=parts")
    assert train(*options, "name=parts", "resume=true") == 0
    assert rows_of(folder_of("parts")) == rows_of(folder_of("whole"))


def test_a_run_that_was_finished_but_not_recorded_is_evaluated_if_that_is_missing(train, monkeypatch):
    assert train(*OPTIONS, "name=whole") == 0
    folder = folder_of("whole")
    path = folder / "checkpoints" / "last.ckpt"
    content = load_checkpoint(path)
    content["callbacks"]["RunLoop"].pop("evaluate")
    torch.save(content, path)
    status = json.loads((folder / "run.json").read_text())
    unfinished = {key: value for key, value in status.items() if key not in ("scores", "best")}
    (folder / "run.json").write_text(json.dumps({**unfinished, "state": "running"}))
    assert train(*OPTIONS, "name=whole", "resume=true") == 0
    again = json.loads((folder / "run.json").read_text())
    assert again["state"] == "finished"
    assert again["scores"] == status["scores"]
    assert again["start"][-1]["mode"] == "finish"


def test_force_twice_with_a_kill_between_keeps_the_run_until_another_one_has_a_checkpoint(tmp_path):
    checkpoints = tmp_path / "run" / "checkpoints"
    checkpoints.mkdir(parents=True)
    (checkpoints / "last.ckpt").write_text("hours of work")
    killed = RunFolder(tmp_path / "run")
    killed.set_aside()
    killed.update(state="running")
    refused = RunFolder(tmp_path / "run")
    refused.set_aside()
    refused.update(state="failed")
    refused.settle()
    assert (checkpoints / "last.ckpt").read_text() == "hours of work"
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    trained = RunFolder(tmp_path / "run")
    trained.set_aside()
    checkpoints.mkdir(parents=True)
    (checkpoints / "last.ckpt").write_text("new")
    trained.settle()
    assert (checkpoints / "last.ckpt").read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["run"]

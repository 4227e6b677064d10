"""Runs' folders in every state that training, a full disk or a killed process leaves them in."""

import json
import os
import shutil

import pytest

from ganforge.core.errors import GanforgeError
from ganforge.reports.reading import find_runs, read_run
from ganforge.runs.log import read_curves


def test_a_sweeps_folder_stands_for_its_runs(make_run, tmp_path, monkeypatch):
    folders = [make_run("a", 1), make_run("b", 2)]
    sweep = tmp_path / "outputs" / "sweeps" / "s"
    sweep.mkdir(parents=True)
    listed = [{"folder": str(folder)} for folder in folders] + [{"folder": "outputs/c/not_begun"}]
    (sweep / "sweep.json").write_text(json.dumps({"runs": listed}))
    assert find_runs([sweep]) == folders
    beside = sweep.parents[1] / "a" / "0123456789"  # launched from another folder
    shutil.copytree(folders[0], beside)
    (sweep / "sweep.json").write_text(json.dumps({"runs": [{"folder": "elsewhere/a/0123456789"}]}))
    assert find_runs([sweep]) == [beside]
    (sweep / "sweep.json").write_text("{half")
    with pytest.raises(GanforgeError, match=r"sweep\.json' cannot be read"):
        find_runs([sweep])


def test_a_whole_run(make_run):
    run = read_run(make_run("a", 3, fid=[(1000, 9.5), (2000, 7.25)]))
    assert (run.seed, run.state, run.images_seen, run.speed, run.problems) == (3, "finished", 2000, 103.0, ())
    series = run.series["metrics/fid", "digits_5k@00000000"]
    assert (series.images, series.seconds, series.values) == ((1000, 2000), (10.0, 20.0), (9.5, 7.25))


def test_seeds_are_no_settings(make_run):
    first, second = read_run(make_run("a", 1)), read_run(make_run("b", 2))
    assert first.settings == second.settings
    assert first.settings["data.source.name"] == "MNIST"
    own = read_run(make_run("c", 1, settings={"data": {"source": {"name": "MNIST"}, "seed": 7}}))
    assert own.settings == {**first.settings, "data.seed": 7}


@pytest.mark.parametrize(
    "tail",
    [
        b"2500,25.0,metrics/fid,3.1",
        b"2500,25.0,metrics/fid,3.1,digits_5k@0000",  # a protocol that is none
        b"2500,25.0,met\r\n",
        b"\x00" * 300,
        b"\x00\x00\r\n",
        b"\xff\xfe\x80garbage,\xf0\r\n",
        b"2500,25.0,metrics/fid,abc,digits_5k@00000000\r\n",
        b'"unclosed,25.0,metrics/fid,3,x\r\n',
        b"x" * 200_000 + b"\r\n",
    ],
)
def test_a_broken_end_is_left_out_and_reported(make_run, tail):
    folder = make_run("a", fid=7.25)
    table = folder / "metrics.csv"
    table.write_bytes(table.read_bytes() + tail)
    run = read_run(folder)
    assert run.series["metrics/fid", "digits_5k@00000000"].values == (7.25,)
    assert {protocol for _, protocol in run.series} == {"", "digits_5k@00000000"}
    assert run.problems == ("1 broken line of its metrics.csv left out",)
    assert read_curves(table)["metrics/fid"] == ([2000], [7.25])


def test_values_that_are_not_finite_are_reported(make_run):
    run = read_run(make_run("a", fid=[(1000, float("nan")), (1500, float("inf")), (2000, 3.0)]))
    assert run.series["metrics/fid", "digits_5k@00000000"].values == (3.0,)
    assert "2 values of its metrics.csv are not finite" in run.problems[0]


def test_a_clock_logged_twice_counts_once(make_run):
    run = read_run(make_run("a", fid=[(1000, 9.0), (2000, 8.0), (1000, 5.0)]))
    series = run.series["metrics/fid", "digits_5k@00000000"]
    assert (series.images, series.values) == ((1000, 2000), (5.0, 8.0))


@pytest.mark.parametrize("text", ["", '{"state": "fini', "[]", "null", "\x00\x00"])
def test_half_a_status_is_reported(make_run, text):
    folder = make_run("a", fid=1.0)
    (folder / "run.json").write_text(text)
    run = read_run(folder)
    assert run.state == "unknown"
    assert "run.json is missing or cut short" in run.problems[0]


@pytest.mark.parametrize("settings", [None, {}, [], "text", 1])
@pytest.mark.parametrize(
    ("packages", "writer"),
    [({"ganforge": "0.1.0"}, "ganforge 0.1.0"), (None, "an unknown version"), ([1], "an unknown version")],
)
def test_a_run_without_settings_names_the_version_that_wrote_it(make_run, settings, packages, writer):
    run = read_run(make_run("a", fid=1.0, status={"settings": settings, "packages": packages}))
    assert not run.settings
    (problem,) = run.problems
    assert f"written by {writer}" in problem
    assert "its variant is not known" in problem


def test_a_killed_run_is_distinguished_from_one_that_trains(make_run):
    here = os.uname().nodename
    gone = read_run(make_run("a", state="running", status={"host": here, "pid": 2**22 - 1, "process_start": "1"}))
    elsewhere = read_run(make_run("b", state="running", status={"host": "another", "pid": 1}))
    alive = make_run("c", state="running", status={"host": here, "pid": os.getppid()})
    assert (gone.state, elsewhere.state, read_run(alive).state) == ("cut short", "running", "running")


@pytest.mark.parametrize("pid", [None, "12", [1], 0, -1])
def test_a_process_without_a_number_is_gone(make_run, pid):
    here = os.uname().nodename
    assert read_run(make_run("a", state="running", status={"host": here, "pid": pid})).state == "cut short"


def test_runs_are_found_once_and_not_inside_one_another(make_run, sweep):
    folders = [make_run("a"), make_run("b")]
    (folders[0] / "wandb" / "run-1").mkdir(parents=True)
    (folders[0] / "wandb" / "run-1" / "config.yaml").write_text("{}")
    (sweep / ".a.replaced").mkdir()
    (sweep / ".a.replaced" / "run.json").write_text(json.dumps({"state": "failed"}))
    assert find_runs([sweep, folders[1], sweep.parent]) == folders


def test_nothing_found_is_reported(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(GanforgeError, match=r"There is no run below '.*empty'"):
        find_runs([tmp_path / "empty"])
    with pytest.raises(GanforgeError, match=r"There is no folder '.*absent'"):
        find_runs([tmp_path / "absent"])

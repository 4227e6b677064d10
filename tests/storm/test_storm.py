"""Runs of twelve variants under kills, signals and full disks: nothing is lost."""

import json
import os
import subprocess
import sys

import pytest
import torch

import storm
from ganforge.runs.folder import RunFolder


@pytest.mark.slow
def test_disturbed_runs_equal_undisturbed_ones_to_the_bit(tmp_path):
    """About two minutes on two cores that do nothing else."""
    figures = tmp_path / "figures.json"
    options = ["--kills", "24", "--each", "2", "--figures", str(figures)]
    done = subprocess.run([sys.executable, storm.__file__, *options], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    content = json.loads(figures.read_text())
    assert content["lost"] == []
    assert content["runs"] >= 12
    assert sum(content["disturbances"].values()) >= 24
    assert content["disturbances"].keys() == storm.DISTURBANCES.keys()


def made_up_run(folder, weight=1.0, seen=16, score=3.0, rows=(("16", "generator/adversarial", "0.5"),)):
    (folder / "checkpoints").mkdir(parents=True)
    content = {"state_dict": {"weight": torch.tensor([weight])}, "ganforge": {"images_seen": seen, "rng": [1, 2]}}
    torch.save(content, folder / "checkpoints" / "last.ckpt")
    lines = ["images_seen,seconds,name,value,protocol", *(f"{seen},1.0,{name},{value}," for seen, name, value in rows)]
    (folder / "metrics.csv").write_text("\n".join([*lines, f"16,{os.urandom(2).hex()},speed/images_per_second,9,"]))
    RunFolder(folder).update(scores={"fid": score})
    return folder


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({}, []),
        ({"weight": 1.0000001}, ["last.ckpt state_dict weight"]),
        ({"seen": 32}, ["last.ckpt ganforge images_seen"]),
        ({"score": 3.1}, ["scores in run.json"]),
        ({"rows": (("16", "generator/adversarial", "0.6"),)}, ["metrics.csv"]),
        ({"rows": ()}, ["metrics.csv"]),
    ],
)
def test_the_storm_finds_every_difference(change, found, tmp_path):
    assert storm.differences(made_up_run(tmp_path / "one"), made_up_run(tmp_path / "other", **change)) == found


def test_what_a_storm_takes_for_a_loss():
    ended = {"SIGKILL": -9, "SIGTERM": 143, "SIGINT": 130, "SIGHUP": 129, "full disk": 1}
    for kind in ended:
        for met, status in ended.items():
            done = storm.Start(status, "No space left for 'x'." if met == "full disk" else "", 1.0)
            assert storm.is_as_meant(done, kind) == (met == kind)
        assert not storm.is_as_meant(storm.Start(1, "ganforge: something else", 1.0), kind)

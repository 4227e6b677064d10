"""Mixtures through the command line: the recipe trains, counts modes and draws points."""

import csv
from pathlib import Path

import pytest

from ganforge.cli import main


@pytest.mark.filterwarnings("ignore:.*LeafSpec.*is deprecated:FutureWarning")
@pytest.mark.filterwarnings("ignore:.*does not have many workers")
@pytest.mark.parametrize("model", ["pacgan", "unrolled", "simultaneous"])
def test_recipe_trains(model: str, tmp_path: Path) -> None:
    settings = ["experiment=mixture", "data=grid", f"model={model}", "total_kimg=0.4", "network.width=16"]
    settings += [
        "network.discriminator.width=8",
        "callbacks.evaluate.every_kimg=0.2",
        "logger=csv",
        "trainer=cpu",
    ]
    assert main(["train", *settings, f"paths.run={tmp_path}/run"]) == 0
    with (tmp_path / "run/metrics.csv").open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    measured = [(row["images_seen"], row["name"]) for row in rows if row["name"].startswith("metrics/")]
    names = ("metrics/modes", "metrics/high_quality", "metrics/reverse_kl")
    assert measured == [(clock, name) for clock in ("200", "400") for name in names]
    assert all(row["protocol"].startswith("pacgan_modes@") for row in rows if row["name"] in names)
    assert (tmp_path / "run/samples/latest.png").read_bytes().startswith(b"\x89PNG")

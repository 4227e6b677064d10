"""The gallery's runs, its ledger and its page."""

import json
import os
import subprocess
import sys

import pytest
from omegaconf import OmegaConf

import gallery_page
import gallery_runs
import variants_page
from ganforge.core.config import compose

ALIVE = {
    "data": "mnist5k",
    "variant": "lsgan",
    "seed": 0,
    "config": "0123456789",
    "commit": "abcdef01",
    "verdict": "alive",
    "kimg": 30.0,
    "kimg_trained": 30.0,
    "cpu_seconds": 120,
    "values": {"fid": 387.4, "classes_missing": 1},
    "intervals": {"fid": [380.2, 395.1]},
    "protocols": ["digits@1", "digit_classes@2"],
    "command": "ganforge train model=lsgan",
}
DEAD = ALIVE | {"seed": 1, "verdict": "not alive", "kimg": 60.0, "kimg_trained": 150.0, "cpu_seconds": 1201}
FAILED = ALIVE | {"seed": 2, "verdict": "failed", "error": "D | G", "kimg": None}
del FAILED["values"], FAILED["intervals"], FAILED["protocols"]
LINES = (ALIVE, DEAD, FAILED)


def ledger(*lines):
    return {(line["data"], line["variant"], line["seed"]): line for line in lines}


def test_ledger_is_read_as_it_was_written(tmp_path):
    assert gallery_page.read(tmp_path) == {}
    gallery_page.write(ledger(FAILED, ALIVE), tmp_path)
    assert gallery_page.read(tmp_path) == ledger(ALIVE, FAILED)
    assert [json.loads(line)["seed"] for line in (tmp_path / "gallery.jsonl").read_text().splitlines()] == [0, 2]
    assert (tmp_path / "gallery.md").read_text() == gallery_page.page(ledger(ALIVE, FAILED))


def test_page_has_a_row_a_variant_and_a_line_a_seed():
    page = gallery_page.page(ledger(*LINES))
    (row,) = [line for line in page.splitlines() if line.startswith("| `")]
    cells = [cell.strip().split("<br>") for cell in row.split(" | ")[1:-1]]
    assert cells[:2] == [["0", "1", "2"], ["**alive**", "not alive", "failed: D \\| G"]]
    assert cells[2] == ["387 (380 to 395)", "387 (380 to 395)", "-"]
    assert cells[3:6] == [["9", "9", "-"], ["30", "60 of 150", "-"], ["120", "1201", "120"]]
    assert "1 of 3 runs are alive" in page


def test_runs_are_repeated_if_they_failed_or_are_configured_otherwise():
    settled = [gallery_page.is_settled(line, "0123456789") for line in (*LINES, None)]
    assert settled == [True, True, False, False]
    assert not gallery_page.is_settled(ALIVE, "9876543210")


def test_committed_page_is_that_of_the_committed_ledger():
    docs = variants_page.DOCS
    assert (docs / "gallery.md").read_text() == gallery_page.page(gallery_page.read(docs)), (
        "run python scripts/gallery_page.py"
    )


def test_variants_page_counts_the_ledgers_runs(tmp_path, monkeypatch):
    gallery_page.write(ledger(*LINES, ALIVE | {"seed": 3, "cpu_seconds": 90}), tmp_path)
    monkeypatch.setattr(variants_page, "DOCS", tmp_path)
    assert variants_page.measured() == {"lsgan": "draws digits in 2 of 4 runs, after 90 to 120 s of one core"}


def test_alive_is_all_limits_in_one_evaluation():
    study = gallery_runs.STUDIES["mnist5k"]
    assert study.is_alive({"fid": 399.9, "classes_missing": 2})
    assert not study.is_alive({"fid": 400.0, "classes_missing": 2})
    assert not study.is_alive({"fid": 100.0, "classes_missing": 3})
    assert not study.is_alive({"fid": 100.0})
    assert not study.is_alive({"fid": float("nan"), "classes_missing": 0})


def test_a_run_is_evaluated_each_twentieth_of_its_length(tmp_path):
    (run,) = gallery_runs.plan("mnist5k", ["lsgan"], [7], tmp_path)
    assert {"model=lsgan", "budget=small", "seed=7", "callbacks.evaluate.every_kimg=7.5"} <= set(run.overrides)
    assert run.folder.parent == tmp_path / "lsgan_mnist5k"


LABEL = {"_target_": "ganforge.conditioning.Label"}
GIVEN = {"_target_": "ganforge.conditioning.Given", "key": "source"}


@pytest.mark.parametrize(
    ("latent", "conditioning", "expected"),
    [({}, None, True), ({}, LABEL, True), ({}, GIVEN, False), (None, LABEL, False), (None, GIVEN, False)],
)
def test_variants_that_draw_from_pictures_or_texts_are_left_out(latent, conditioning, expected):
    config = OmegaConf.create({"latent": latent, "conditioning": conditioning})
    assert gallery_runs.draws_from_noise(config) == expected


@pytest.mark.parametrize("variant", ["dcgan", "cgan", "infogan"])
def test_shipped_variants_for_images_draw_from_noise(variant):
    assert gallery_runs.draws_from_noise(compose([f"model={variant}"]))


def test_a_runs_evaluations_are_what_it_logged(tmp_path):
    run = gallery_runs.Run("mnist5k", "lsgan", 0, (), tmp_path / "run")
    run.folder.mkdir()
    assert run.evaluations() == []
    assert run.spent == 0
    rows = ["images_seen,seconds,name,value,protocol"]
    for kimg, fid in ((10, 900), (20, 350)):
        rows += [f"{kimg}000,1,metrics/fid,{fid},digits@1", f"{kimg}000,1,metrics/classes_missing,1,digit_classes@2"]
    (run.folder / "metrics.csv").write_text("\n".join([*rows, "20000,1,loss/generator,1,", ""]))
    study = gallery_runs.STUDIES["mnist5k"]
    assert [(one["images_seen"], study.is_alive(one)) for one in run.evaluations()] == [(10000, False), (20000, True)]


def test_processor_seconds_are_added_over_the_starts_of_a_run(tmp_path):
    run = gallery_runs.Run("mnist5k", "lsgan", 0, (), tmp_path / "run")
    busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        while run.spent < 1:
            assert busy.poll() is None
            run.count(busy.pid)
    finally:
        busy.kill()
        busy.wait()
    spent = run.spent
    assert gallery_runs.processor_seconds(busy.pid) == 0
    run.count(busy.pid)  # it has gone: what it has used stays
    assert run.spent == spent
    run.count(os.getpid())
    assert run.spent == spent + gallery_runs.processor_seconds(os.getpid())

"""The CSV, W&B offline, and what happens when a dashboard fails."""

import csv
import subprocess
import sys
from pathlib import Path
from unittest.mock import MagicMock, Mock

import pytest
import torch

from ganforge import cli
from ganforge.core.config import compose
from ganforge.loggers.base import Loggers
from ganforge.loggers.table import FIELDS, TableLogger
from ganforge.loggers.wandb import WandbLogger, choose_mode, stable_id
from ganforge.runs.folder import load_checkpoint
from quick import PATIENCE
from recording_loggers import ForeignLogger


def rows(path):
    with path.open(newline="") as handle:
        return list(csv.DictReader(handle))


def test_table_appends_and_rewinds(tmp_path):
    path = tmp_path / "metrics.csv"
    logger = TableLogger(str(path))
    for images in (10, 20, 30):
        logger.log_metrics({"generator/adversarial": images / 7}, step=images)
    logger.log_measured({"metrics/fid": 3.25}, 30, "digits@1234")
    logger.finalize("success")
    with path.open("a") as handle:
        handle.write("40,1.0,generator/adv")  # killed while writing
    logger = TableLogger(str(path))
    logger.rewind(20)
    logger.log_metrics({"new/name": 1.0}, step=40)
    logger.finalize("success")
    assert tuple(rows(path)[0]) == FIELDS
    assert [row["images_seen"] for row in rows(path)] == ["10", "20", "40"]
    seconds = [float(row["seconds"]) for row in rows(path)]
    assert seconds == sorted(seconds)


def test_mode_without_a_key_is_offline_at_once(monkeypatch, tmp_path):
    monkeypatch.setenv("NETRC", str(tmp_path / "none"))
    assert choose_mode() == ("offline", "no API key is configured")


def test_mode_with_a_key_and_a_host_that_does_not_answer(monkeypatch):
    monkeypatch.setenv("WANDB_API_KEY", "x" * 40)
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    mode, reason = choose_mode(timeout_seconds=1)
    assert mode == "offline"
    assert "127.0.0.1 does not answer" in reason


def test_mode_with_a_key_and_a_host(monkeypatch):
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("WANDB_API_KEY", "x" * 40)
        monkeypatch.setenv("WANDB_BASE_URL", f"http://127.0.0.1:{server.getsockname()[1]}")
        assert choose_mode()[0] == "online"


def test_wandbs_own_variable_chooses_the_mode(monkeypatch, tmp_path):
    for mode in ("online", "offline", "disabled"):
        monkeypatch.setenv("WANDB_MODE", mode)
        assert compose(["logger=auto"]).logger.wandb.mode == mode
    assert compose(["logger=auto", "logger.wandb.mode=auto"]).logger.wandb.mode == "auto"
    monkeypatch.delenv("WANDB_MODE")
    assert compose(["logger=auto"]).logger.wandb.mode == "auto"
    disabled = WandbLogger(str(tmp_path), project="p", name="n", mode="disabled")
    monkeypatch.setattr("wandb.init", lambda **options: pytest.fail("it has started"))
    disabled.log_metrics({"a": 1.0}, step=1)
    assert disabled.state_dict() == {}
    disabled.finalize("success")
    assert not list(tmp_path.iterdir())


def test_identifier_is_stable(tmp_path):
    first = stable_id(tmp_path / "run")
    assert stable_id(tmp_path / "run") == first
    assert stable_id(tmp_path / "other") != first


def test_a_failing_dashboard_is_reported_once_and_ends_nothing(tmp_path, monkeypatch, caplog):
    logger = WandbLogger(str(tmp_path), project="p", name="n", mode="offline")
    monkeypatch.setattr("wandb.init", Mock(side_effect=RuntimeError("no\nservice")))
    caplog.set_level("INFO", logger="ganforge")
    for step in range(3):
        logger.log_metrics({"a": 1.0}, step=step)
    logger.log_picture("samples", torch.zeros(3, 4, 4, dtype=torch.uint8), 1)
    logger.finalize("success")
    reported = [record.message for record in caplog.records]
    assert len(reported) == 1
    assert "(no); training goes on" in reported[0]


def test_alarms_reach_wandb_and_a_failing_one_ends_nothing(tmp_path, monkeypatch):
    run = MagicMock()
    run.alert.side_effect = [None, RuntimeError("no service")]
    monkeypatch.setattr("wandb.init", lambda **options: run)
    logger = WandbLogger(str(tmp_path), project="p", name="n", mode="offline")
    for text in ("all the same", "broken", "never sent"):
        logger.log_alarm("collapse", text)
    sent = [call.kwargs for call in run.alert.call_args_list]
    assert [(alert["title"], alert["text"], alert["level"]) for alert in sent] == [
        ("collapse", "all the same", "WARN"),
        ("collapse", "broken", "WARN"),
    ]


def test_a_wandb_run_goes_on_in_another_folder_by_its_checkpoint(tmp_path):
    first, second, third = (
        WandbLogger(str(tmp_path / folder), project="p", name="n", mode="offline") for folder in "abc"
    )
    states = Loggers([first]).state_dict()
    assert states == {"WandbLogger": {"run_id": stable_id(tmp_path / "a")}}
    Loggers([second]).load_state_dict(states)
    assert second.version == first.version
    own = stable_id(tmp_path / "c")
    Loggers([third, TableLogger(str(tmp_path / "metrics.csv"))]).load_state_dict(states)
    assert third.version == own  # a folder that has a run keeps it


def test_any_logger_of_lightnings_gets_the_values(tmp_path):
    foreign, table = ForeignLogger(), TableLogger(str(tmp_path / "metrics.csv"))
    loggers = Loggers([foreign, table])
    loggers.log_metrics({"generator/adversarial": 0.5}, 16)
    loggers.log_measured({"metrics/fid": 3.0}, 32, "digits@1234")
    loggers.log_picture("samples", torch.zeros(3, 4, 4, dtype=torch.uint8), 32)
    loggers.log_alarm("collapse", "all the same")
    loggers.save()
    assert foreign.rows == [(16, {"generator/adversarial": 0.5}), (32, {"metrics/fid": 3.0})]
    assert [row["protocol"] for row in rows(table.path)] == ["", "digits@1234"]
    table.finalize("success")
    loggers.rewind(16)
    assert [row["images_seen"] for row in rows(table.path)] == ["16"]
    assert loggers.state_dict() == {}


def test_a_run_keeps_its_loggers_states_in_checkpoints(train, run_folder, monkeypatch):
    monkeypatch.setattr("wandb.init", lambda **options: MagicMock())
    assert train("logger=wandb", "logger.wandb.mode=offline") == 0
    folder = run_folder()
    states = load_checkpoint(folder / "checkpoints" / "last.ckpt")["loggers"]
    assert states == {"WandbLogger": {"run_id": (folder / "wandb_run_id").read_text()}}
    (folder / "wandb_run_id").unlink()
    assert train("logger=wandb", "logger.wandb.mode=offline", "resume=previous") == 0
    assert (folder / "wandb_run_id").read_text() == states["WandbLogger"]["run_id"]


def test_tensorboard(tmp_path):
    from ganforge.loggers.tensorboard import TensorBoardLogger

    logger = TensorBoardLogger(str(tmp_path))
    logger.log_metrics({"generator/adversarial": 1.0}, step=64)
    logger.log_picture("samples", torch.full((3, 8, 8), 9, dtype=torch.uint8), 64)
    logger.finalize("success")
    assert list(tmp_path.glob("events.out.tfevents.*"))


@pytest.mark.slow
def test_wandb_offline_run_is_complete_and_resumed_with_the_same_identifier(tmp_path, capsys):
    """The whole of W&B offline, read back by wandb's own tool."""
    options = ["train", "debug=smoke", "network.width=4", "trainer=cpu", "logger.wandb.mode=auto"]
    assert cli.main([*options, "total_kimg=0.064"]) == 0
    printed = capsys.readouterr().out
    assert "W&B runs offline (no API key is configured)" in printed
    assert "wandb leet" in printed
    assert "wandb sync" in printed
    (folder,) = Path("outputs").glob("*/*/wandb")
    (binary,) = folder.glob("offline-run-*/run-*.wandb")
    assert binary.stem.removeprefix("run-") == (folder.parent / "wandb_run_id").read_text()
    pictures = list(folder.glob("offline-run-*/files/media/images/samples*.png"))
    assert pictures
    from PIL import Image

    for picture in pictures:
        with Image.open(picture) as image:
            assert image.convert("L").getextrema()[1] > 100, "a black picture"
    read = subprocess.run(
        [sys.executable, "-m", "wandb", "leet", "inspect", "--json", str(binary)],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert read.returncode == 0, read.stderr
    assert "images_seen" in read.stdout
    assert "metrics/fid" in read.stdout

"""Health in real runs of a few steps: what it writes, that it changes nothing, and what its actions do."""

import csv
import json
import re
from types import SimpleNamespace

import pytest
import torch

from ganforge.callbacks.health import Health
from ganforge.core.errors import GanforgeError
from ganforge.data.columns import Column, Split, Splits
from ganforge.data.modality import Images
from ganforge.loggers.base import Loggers
from ganforge.models.ledger import Ledger
from ganforge.runs.folder import load_checkpoint

#: Nothing is found, but what a case asks for.
CALM = [
    "callbacks.health.grace_steps=0",
    "callbacks.health.patience=1",
    *(f"callbacks.health.thresholds.{name}=0" for name in ("diversity", "nearest", "coverage", "signal", "step")),
    "callbacks.health.thresholds.overfitting=9",
]
COLLAPSE = "callbacks.health.thresholds.diversity=100"
#: From 80 images on the discriminator's steps are so long that its weights overflow; a rollback makes them short.
EXPLODE = (
    "+schedules.optimizer.discriminator.lr={_target_:ganforge.schedules.Step,start:1e-4,factor:1e34,at_kimg:[0.08]}"
)


def logged(folder):
    """Return every value as ``{name: [(images seen, value)]}``."""
    with (folder / "metrics.csv").open(newline="") as handle:
        found = {}
        for row in csv.DictReader(handle):
            if not row["name"].startswith("speed/"):
                found.setdefault(row["name"], []).append((int(row["images_seen"]), row["value"]))
    return found


def status(folder):
    return json.loads((folder / "run.json").read_text())


def weights(folder, which="last"):
    state = load_checkpoint(folder / "checkpoints" / f"{which}.ckpt")["state_dict"]
    return {name: value for name, value in state.items() if isinstance(value, torch.Tensor)}


def same(left, right):
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


def test_measures_are_logged_and_a_young_run_is_left_alone(train, run_folder, capsys):
    assert train() == 0
    folder = run_folder()
    values = logged(folder)
    for name in ("diversity", "nearest", "overfitting", "ranking", "signal", "gradient_ratio", "alarms"):
        assert [images for images, _ in values[f"health/{name}"]] == [64, 128], name
    assert status(folder)["health"] == {"alarms": [], "active": [], "rollbacks": [], "stopped_by": None}
    assert "Health:" not in capsys.readouterr().out
    assert not (folder / "checkpoints" / "healthy.ckpt").exists()


def test_checking_changes_no_bit_of_training(train, run_folder, tmp_path, monkeypatch):
    runs = []
    for number, options in enumerate((["callbacks.health=null"], ["callbacks.health.every_kimg=0.016"])):
        (tmp_path / str(number)).mkdir()
        monkeypatch.chdir(tmp_path / str(number))
        assert train("network=mlp", "augment=ada", *options) == 0  # dropout and augmentation draw random numbers
        runs.append(weights(run_folder().absolute()))
    assert same(*runs)


def test_an_alarm_is_reported_once_and_logged(train, run_folder, capsys):
    assert train(*CALM, "callbacks.health.thresholds.step=1e9", "callbacks.health.every_kimg=0.016") == 0
    printed = capsys.readouterr().out
    assert printed.count("Health: vanishing gradient at 0.0 kimg: the generator's gradient is") == 1
    assert "Try: loss=non_saturating, a lower optimizer.discriminator.lr" in printed
    values = logged(run_folder())
    assert values["health/vanishing_gradient"] == [(16, "1")]
    assert {value for _, value in values["health/alarms"]} == {"1"}
    (alarm,) = status(run_folder())["health"]["alarms"]
    assert (alarm["name"], alarm["images_seen"]) == ("vanishing_gradient", 16)


def test_stop_saves_says_why_and_lets_the_run_go_on(train, run_folder, capsys):
    options = [*CALM, COLLAPSE, "callbacks.health.action=stop"]
    assert train(*options) == 1
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1
    assert "Stopped and saved at 64 images, as callbacks.health.action=stop asks. Health: collapse" in captured.err
    folder = run_folder()
    assert status(folder)["state"] == "failed"
    assert status(folder)["health"]["stopped_by"] == "collapse"
    assert status(folder)["ending"]["kind"] == "unhealthy"
    assert status(folder)["ending"]["message"] in captured.err
    assert status(folder)["images_seen"] == 64
    assert load_checkpoint(folder / "checkpoints" / "last.ckpt")["ganforge"]["images_seen"] == 64
    assert train(*options, "resume=true") == 0  # reported before, so it does not stop again
    assert status(folder)["state"] == "finished"


def test_overfitting_alone_stops_nothing(train, run_folder):
    everything = [*CALM, "callbacks.health.thresholds.overfitting=0", "callbacks.health.thresholds.sigmas=0"]
    assert train(*everything, "callbacks.health.action=stop") == 0
    assert {alarm["name"] for alarm in status(run_folder())["health"]["alarms"]} <= {"overfitting"}


def test_rollback_returns_to_healthy_weights_and_slows_down(train, run_folder, capsys):
    options = [*CALM, EXPLODE, "callbacks.health.action=rollback", "callbacks.health.slow_down=1e-34"]
    assert train(*options, "total_kimg=0.256", "protocol=[]") == 0
    printed = capsys.readouterr().out
    assert re.search(
        r"Health: divergence at 0.1 kimg: The (discriminator|generator)'s loss 'adversarial' became", printed
    )
    assert "rolled back to the weights of 0.1 kimg (1 of 3)" in printed
    folder = run_folder()
    health = status(folder)["health"]
    assert len(health["rollbacks"]) == 1
    assert 80 < health["rollbacks"][0] <= 128
    assert status(folder)["images_seen"] == 256  # the clock went on
    content = load_checkpoint(folder / "checkpoints" / "last.ckpt")
    assert all(value.isfinite().all() for value in weights(folder).values())
    assert content["state_dict"]["_extra_state"]["rate_scale"] == 1e-34
    rates = [state["param_groups"][0]["lr"] for state in content["optimizer_states"]]
    assert rates == pytest.approx([1e-4, 2e-38], rel=1e-12, abs=0)
    assert content["ganforge"]["images_seen"] == 256


def test_rollbacks_are_limited(train, run_folder, capsys):
    options = [*CALM, EXPLODE, "callbacks.health.action=rollback", "callbacks.health.rollbacks=2", "total_kimg=0.512"]
    assert train(*options, "protocol=[]") == 1
    assert "became" in capsys.readouterr().err
    assert len(status(run_folder())["health"]["rollbacks"]) == 2


def test_without_a_healthy_checkpoint_a_rollback_stops(train, run_folder, capsys):
    assert train(*CALM, COLLAPSE, "callbacks.health.action=rollback") == 1
    assert "without a healthy checkpoint" in capsys.readouterr().err


def test_a_resumed_run_is_the_uninterrupted_one(train, run_folder):
    """Measures, alarms and weights after going on from the checkpoint before the last."""
    options = [*CALM, "callbacks.health.thresholds.overfitting=0.0", "callbacks.health.thresholds.sigmas=0"]
    options += [
        "callbacks.health.patience=2",
        "callbacks.health.every_kimg=0.032",
        "callbacks.checkpoint.every_kimg=0.112",
    ]
    options += ["total_kimg=0.224", "protocol=[]"]
    assert train(*options) == 0
    folder = run_folder()
    whole, alarms, values = weights(folder), status(folder)["health"], logged(folder)
    assert train(*options, "resume=previous") == 0
    assert same(weights(folder), whole)
    assert status(folder)["health"] == alarms
    again = logged(folder)
    assert {name: rows for name, rows in again.items() if name.startswith("health/")} == {
        name: rows for name, rows in values.items() if name.startswith("health/")
    }


def test_a_single_image_is_not_measured():
    single = Split(Column(torch.zeros(1, 1, 8, 8, dtype=torch.uint8), Images(8, 1)))
    health = Health("checkpoints", 1)
    health.prepare(SimpleNamespace(splits=lambda: Splits(single, single)))
    module = SimpleNamespace(ledger=Ledger(1))
    assert health.check(module, Loggers([]), [], measure=True, extractor=None) is None


def test_a_loss_that_is_not_finite_is_an_alarm_without_any_measure():
    health = Health("checkpoints", 1, action="stop")
    ledger = Ledger(1)
    ledger.record("generator", {"adversarial": torch.tensor(float("nan"))}, 1.0)
    ledger.take(16)
    module = SimpleNamespace(ledger=ledger, images_seen=16, total_images=64)
    assert health.check(module, Loggers([]), [], measure=False, extractor=None) is None  # the ledger ends the run
    (alarm,) = health.record()["alarms"]
    assert (alarm["name"], alarm["images_seen"]) == ("divergence", 16)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"action": "pray"}, "warn, stop or rollback"),
        ({"acts_on": ["flu"]}, "choose from divergence, collapse"),
        ({"images": 1}, "images must be"),
        ({"slow_down": 0}, "slow_down must be"),
        ({"patience": 0}, "patience must be"),
        ({"every_kimg": 0}, "every_kimg must be"),
    ],
)
def test_impossible_values_are_refused(option, message):
    with pytest.raises(GanforgeError, match=message):
        Health("checkpoints", **{"every_kimg": 1, **option})

"""Studies that really train, a few steps a trial, in this process."""

import json
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from ganforge import cli
from ganforge.callbacks.samples import Curves
from ganforge.commands import train as train_module
from ganforge.core.errors import Stopped
from ganforge.tuning.study import SharedStudy
from quick import SMOKE

optuna = pytest.importorskip("optuna")

STUDY = Path("outputs/tune/study")
ONE = ["~tune.space.discriminator_lr", "~tune.space.beta1", "~tune.space.n_critic"]


def tune(*overrides):
    return cli.main(["tune", *SMOKE, "data=digits", "protocol=[smoke]", "name=study", *ONE, *overrides])


def trials():
    storage = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(STUDY / "study.log")))
    return optuna.load_study(study_name="study", storage=storage).trials


def run_of(number):
    return json.loads((STUDY / f"trial_{number:04d}" / "run.json").read_text())


def test_a_study_trains_reports_and_goes_on_with_the_same_command(capsys):
    assert tune("tune.n_trials=1", "tune.keep_checkpoints=1") == 0
    (trial,) = trials()
    assert trial.values == [run_of(0)["scores"]["fid"]]
    assert trial.intermediate_values == {64: pytest.approx(trial.values[0], rel=1), 128: trial.values[0]}
    out = capsys.readouterr().out
    assert "1 of 1 trials; best:" in out
    assert "experiment=best" in out
    assert "Next, for example" not in out  # what a run says of itself stays in its own log
    assert "Done:" in (STUDY / "trial_0000" / "train.log").read_text()
    assert tune("tune.n_trials=2", "tune.keep_checkpoints=1") == 0
    assert [trial.state.name for trial in trials()] == ["COMPLETE", "COMPLETE"]
    assert len(list(STUDY.glob("trial_*/checkpoints"))) == 1
    assert cli.main(["train", "--config-dir", str(STUDY), "experiment=best", *SMOKE]) == 0
    (again,) = Path("outputs").glob("dcgan_digits/*/run.json")
    assert json.loads(again.read_text())["scores"]["fid"] == min(trial.values[0] for trial in trials())


def test_a_pruned_trial_stops_early_and_its_folder_says_so():
    never = ["tune/pruner=none", "+tune.pruner._target_=optuna.pruners.ThresholdPruner", "+tune.pruner.upper=-1"]
    assert tune("tune.n_trials=1", *never) == 0
    assert run_of(0)["state"] == "pruned"
    assert run_of(0)["images_seen"] == 64
    assert run_of(0)["ending"]["kind"] == "pruned"
    assert run_of(0)["ending"]["message"] == "Pruned at 64 of 128 images: other trials were better there."
    (trial,) = trials()
    assert trial.state.name == "PRUNED"
    assert list(trial.intermediate_values) == [64]
    assert not (STUDY / "experiment").exists()


def test_a_trial_that_diverges_is_recorded_with_its_sentence_and_the_study_goes_on(capsys):
    huge = ["+tune.space.generator_lr.choices=[1e30]", "tune/pruner=none"]
    assert tune("tune.n_trials=3", "tune.failures=2", "model.log_every=1", *huge) == 1
    failed = trials()
    assert [trial.state.name for trial in failed] == ["FAIL", "FAIL"]
    assert "training has diverged" in failed[0].user_attrs["error"]
    assert "2 trials have failed, the last one so" in capsys.readouterr().err


def test_an_objective_that_is_not_measured_ends_the_study_at_the_first_evaluation(capsys):
    assert tune("tune.n_trials=3", "tune.objective=[metrics/kid]") == 1
    assert "this run measures metrics/fid, metrics/inception_score" in capsys.readouterr().err
    assert len(trials()) == 1


def test_a_trial_that_was_stopped_goes_on_from_its_checkpoint(capsys, monkeypatch):
    def stop(self, loggers):
        raise Stopped("stopped", 130)

    with monkeypatch.context() as patched:
        patched.setattr(Curves, "draw", stop)  # comes at 128 images, before the checkpoint there
        assert tune("tune.n_trials=1") == 130
    assert "Stopped after 0 of 1 trials. To go on, repeat the command." in capsys.readouterr().err
    assert [trial.state.name for trial in trials()] == ["RUNNING"]
    assert tune("tune.n_trials=1") == 0
    assert "Trial 0: going on at 64 images." in capsys.readouterr().out
    assert [trial.state.name for trial in trials()] == ["COMPLETE"]


@pytest.mark.parametrize(
    ("owner", "name", "starts"),
    [
        (train_module, "print_summary", ["new", "finish"]),  # all images seen, not yet marked as finished
        (SharedStudy, "tell", ["new"]),  # finished, and the study does not know it
    ],
)
def test_a_trial_that_was_trained_and_not_told_is_not_trained_again(owner, name, starts, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(owner, name, stop)
        assert tune("tune.n_trials=1") == 130
    rows = (STUDY / "trial_0000" / "metrics.csv").read_text()
    assert [trial.state.name for trial in trials()] == ["RUNNING"]
    assert tune("tune.n_trials=1") == 0
    assert [start["mode"] for start in run_of(0)["start"]] == starts
    assert (STUDY / "trial_0000" / "metrics.csv").read_text() == rows
    (trial,) = trials()
    assert (trial.state.name, trial.values) == ("COMPLETE", [run_of(0)["scores"]["fid"]])


@pytest.mark.parametrize("early", [False, True])
def test_a_new_study_in_an_old_ones_folder_takes_nothing_of_it(early):
    at_once = ["tune/pruner=none", "+tune.pruner._target_=optuna.pruners.ThresholdPruner", "+tune.pruner.upper=-1"]
    assert tune("tune.n_trials=1", *(at_once if early else [])) == 0
    assert tune("tune.n_trials=1", "tune.storage=sqlite:///other.db", "seed=1") == 0
    (trial,) = optuna.load_study(study_name="study", storage="sqlite:///other.db").trials
    assert trial.values == [run_of(0)["scores"]["fid"]]
    assert OmegaConf.load(STUDY / "trial_0000" / "config.yaml").seed == 1


def test_the_command_refuses_a_wrong_space_before_anything_is_written(capsys):
    assert tune("tune.space.generator_lr.low=1") == 1
    assert "low (1) is greater than high (0.01)" in capsys.readouterr().err
    assert not Path("outputs").exists()

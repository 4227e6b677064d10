"""A study's storage: owners alive and dead, joining, and the best configuration. Nothing is trained."""

import functools
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ganforge.commands.tune import environment_of_worker
from ganforge.core.config import compose
from ganforge.core.console import log_to
from ganforge.core.errors import GanforgeError, TakenOver
from ganforge.runs.folder import this_process
from ganforge.tuning.plan import Plan
from ganforge.tuning.reports import Reporter
from ganforge.tuning.results import best_trials, importances, keep_best, table, write_best
from ganforge.tuning.storage import open_storage
from ganforge.tuning.study import SharedStudy

optuna = pytest.importorskip("optuna")

SPACE = ["~tune.space.discriminator_lr", "tune.space.n_critic.high=3"]
COMMON = ["debug=smoke", "data=digits", "network.width=4", "term=[r1]"]


@functools.cache
def planned(settings, common):
    return Plan.of(compose([*common, *SPACE, "name=study", *settings], "tune"), common)


def shared(*settings, common=COMMON):
    return SharedStudy(*planned(settings, tuple(common)))


def dead_process():
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return {**this_process(), "pid": process.pid}


def begin(study, owner):
    """Take on a trial as another process would."""
    trial = study.next_trial()
    for dimension in study.space:
        dimension.suggest(trial)
    trial.set_user_attr("owner", owner)
    return trial


def finish(study, value):
    trial = begin(study, this_process())
    study.tell(trial, "COMPLETE", [value])
    return trial


def test_a_trial_is_taken_over_once_its_process_is_dead():
    study = shared()
    living = begin(study, {**this_process(), "pid": os.getppid(), "process_start": ""})
    dead = begin(study, dead_process())
    another = shared()
    adopted = another.next_trial()
    assert adopted.number == dead.number
    assert adopted.params == dead.params
    assert adopted.user_attrs["owner"] == this_process()
    another.tell(adopted, "COMPLETE", [1.0])
    assert another.next_trial().number not in (living.number, dead.number)


def test_a_trial_that_was_left_is_taken_over_at_once_and_one_that_keeps_killing_is_given_up():
    study = shared()
    trial = begin(study, this_process())
    study.release(trial)
    assert study.next_trial().number == trial.number
    for _ in range(5):
        trial.set_user_attr("owner", dead_process())
        taken = study.next_trial()
    assert taken.number != trial.number
    assert study.trials()[trial.number].state.name == "FAIL"
    assert "died 5 times" in study.trials()[trial.number].user_attrs["error"]


def test_a_trial_that_was_taken_over_is_reported_by_its_new_worker_alone():
    study = shared("tune/pruner=none")
    trial = begin(study, this_process())
    other = {**this_process(), "pid": os.getppid(), "process_start": ""}
    shared("tune/pruner=none").storage.set_trial_user_attr(trial._trial_id, "owner", other)
    with pytest.raises(TakenOver, match="Trial 0 has been taken over"):
        study.tell(trial, "COMPLETE", [1.0])
    study.release(trial)
    now = study.trials()[trial.number]
    assert (now.state.name, now.user_attrs["owner"]) == ("RUNNING", other)
    study.study.tell(trial.number, 2.0)
    with pytest.raises(TakenOver):
        study.tell(trial, "FAIL", error="No space left.")
    assert study.trials()[trial.number].values == [2.0]


def test_a_running_trial_sees_that_it_was_taken_over():
    study = shared()
    trial = begin(study, this_process())
    reporter = Reporter(study.plan.file, trial.number, 64, 128)
    assert reporter.owner == this_process()
    trial.set_user_attr("owner", {"host": "elsewhere"})
    assert reporter.owner == {"host": "elsewhere"}


def test_another_machines_trial_is_taken_over_only_when_its_folder_has_been_silent():
    study = shared("tune.silent_minutes=5")
    trial = begin(study, {"host": "elsewhere", "pid": 1, "process_start": "1"})
    assert study.next_trial().number != trial.number
    written = study.plan.trial_folder(trial.number) / "metrics.csv"
    written.parent.mkdir(parents=True)
    written.write_text("")
    assert not study.is_lost(study.trials()[trial.number])
    os.utime(written, (time.time() - 301,) * 2)
    assert study.next_trial().number == trial.number


def test_trials_are_counted_over_all_workers_and_failures_do_not_count():
    first, second = shared("tune.n_trials=3"), shared("tune.n_trials=3")
    running = begin(first, {**this_process(), "pid": os.getppid(), "process_start": ""})
    failed = begin(second, this_process())
    second.tell(failed, "FAIL")
    finish(second, 1.0)
    finish(first, 2.0)
    assert second.next_trial() is None  # the third one is being trained
    running.set_user_attr("owner", dead_process())
    assert second.next_trial().number == running.number


def test_the_first_trial_is_the_configuration_itself():
    trial = finish(shared(), 1.0)
    assert trial.number == 0
    assert trial.params == {"generator_lr": 0.0002, "beta1": 0.5, "n_critic": 1}


def test_of_two_machines_that_take_on_a_trial_at_once_one_has_it(monkeypatch):
    storage = "tune.storage=sqlite:///studies.db"
    study = shared(storage)
    trial = begin(study, this_process())
    study.release(trial)
    other = {"host": "elsewhere", "pid": 1, "process_start": "1"}

    def meanwhile(seconds):
        assert seconds > 0
        open_storage("sqlite:///studies.db").set_trial_user_attr(trial._trial_id, "owner", other)

    monkeypatch.setattr(time, "sleep", meanwhile)
    assert study.next_trial().number != trial.number
    assert study.trials()[trial.number].user_attrs["owner"] == other


def test_workers_that_start_together_with_a_seed_propose_different_trials():
    def proposed(*studies):
        finish(studies[0], 1.0)  # the configuration itself
        living = {**this_process(), "pid": os.getppid(), "process_start": ""}
        return [begin(study, living).params for study in studies]

    first, second = proposed(shared("tune.sampler.seed=3"), shared("tune.sampler.seed=3"))
    assert first != second
    (again,) = proposed(shared("tune.sampler.seed=3", "name=again"))
    assert again == first


def test_a_grid_says_what_is_taken_of_it(capsys):
    grid = ["tune=grid", "+tune.space.n_critic.choices=[1,2]", "tune/pruner=none"]
    with log_to(None):
        shared(*grid, "tune.n_trials=40", "name=whole")
        shared(*grid, "tune.n_trials=4", "name=part")
    lines = capsys.readouterr().out.splitlines()
    assert lines == ["The grid has 18 points.", "The grid has 18 points; tune.n_trials=4."]


def test_workers_share_the_gpus_out(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5,6,7")
    assert [environment_of_worker(number, 2)["CUDA_VISIBLE_DEVICES"] for number in range(2)] == ["4,5", "6,7"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5")
    assert [environment_of_worker(number, 3)["CUDA_VISIBLE_DEVICES"] for number in range(3)] == ["4", "5", "4"]


def test_a_grid_takes_each_point_once():
    study = shared("tune=grid", "+tune.space.n_critic.choices=[1,2]", "tune/pruner=none")
    points = []
    while (trial := study.next_trial()) is not None:
        points.append(tuple(dimension.suggest(trial) for dimension in study.space))
        study.tell(trial, "COMPLETE", [1.0])
    assert len(points) == len(set(points)) == 3 * 3 * 2


@pytest.mark.parametrize(
    ("settings", "common", "differs"),
    [
        (["tune.objective=[metrics/inception_score]"], COMMON, "tune.objective"),
        (["tune/pruner=hyperband"], COMMON, "tune.pruner"),
        ([], [*COMMON, "loss=hinge"], "configuration"),
    ],
)
def test_another_study_cannot_be_joined(settings, common, differs):
    shared()
    shared("tune.n_trials=7", common=[*COMMON, "trainer.devices=2"])  # the machine may differ, and the length
    with pytest.raises(GanforgeError, match=f"begun with another {differs}: repeat"):
        shared(*settings, common=common)


def test_a_journal_cut_short_is_mended():
    study = shared()
    finish(study, 1.0)
    journal = Path(study.plan.storage)
    whole = journal.read_bytes()
    journal.write_bytes(whole + b'{"op_code": 5, "worker')
    again = shared()
    finish(again, 2.0)
    assert journal.read_bytes().startswith(whole)
    assert [trial.values for trial in again.trials()] == [[1.0], [2.0]]


def test_a_database_works_as_well():
    study = shared("tune.storage=sqlite:///studies.db")
    trial = begin(study, dead_process())
    assert shared("tune.storage=sqlite:///studies.db").next_trial().number == trial.number
    assert optuna.load_study(study_name="study", storage="sqlite:///studies.db").trials[0].params == trial.params


def test_the_best_configuration_is_an_experiment_that_composes_the_same_run():
    study = shared("+tune.space.loss={path:loss,choices:[hinge,minimax]}")
    for value in (5.0, 3.0, 4.0, 6.0, 7.0):
        finish(study, value)
    best = best_trials(study)[0]
    assert best.values == [3.0]
    assert [line.split()[0] for line in table(study, best_trials(study))] == ["trial", "1", "2", "0", "3", "4"]
    assert sum(importances(study).values()) == pytest.approx(1)
    path = write_best(study)
    assert path == Path("outputs/tune/study/experiment/best.yaml")
    folder = f"hydra.searchpath=['file://{path.parents[1].resolve()}']"
    composed = compose([folder, "experiment=best", "debug=smoke"])
    direct = compose([*COMMON, *study.space.words(best.params)])
    assert Path(composed.paths.run).name == Path(direct.paths.run).name
    assert composed.optimizer.generator.betas == [best.params["beta1"], 0.999]
    assert compose([folder, "experiment=best", "seed=9"]).seed == 9


@pytest.mark.parametrize("content", ["# @package _global_\nseed: 3\n", "", None])
def test_a_best_configuration_of_ones_own_is_not_replaced(content):
    best = Path("outputs/tune/study/experiment/best.yaml")
    best.parent.mkdir(parents=True)
    best.symlink_to("mine.yaml") if content is None else best.write_text(content)
    with pytest.raises(GanforgeError, match=r"best\.yaml' was not written by a study, and is not replaced: rename it"):
        shared()
    assert best.is_symlink() if content is None else best.read_text() == content
    best.unlink()
    study = shared()
    for value in (2.0, 1.0):
        finish(study, value)
        write_best(study)
    shared()  # its own is
    assert "Trial 1, the best" in best.read_text()


def test_checkpoints_of_another_study_in_the_same_folder_are_not_deleted():
    study = shared("tune.keep_checkpoints=0")
    trials = [finish(study, 1.0), finish(study, 2.0)]
    identities = [study.identity(trials[0].number), "study 1 of another storage"]
    for trial, identity in zip(trials, identities, strict=True):
        folder = study.plan.trial_folder(trial.number)
        (folder / "checkpoints").mkdir(parents=True)
        (folder / "config.yaml").write_text(f"trial: {identity}\n")
    keep_best(study)
    assert [path.parent.name for path in study.plan.folder.glob("trial_*/checkpoints")] == ["trial_0001"]


def test_an_experiment_stays_the_base_of_the_best_configuration():
    common = ["experiment=mixture", "data=grid", "protocol=[smoke]", "total_kimg=1"]
    study = shared("tune.objective=[metrics/reverse_kl]", common=common)
    finish(study, 1.0)
    path = write_best(study)
    composed = compose([f"hydra.searchpath=['file://{path.parents[1].resolve()}']", "experiment=best"])
    direct = compose([*common, *study.space.words(best_trials(study)[0].params)])
    assert Path(composed.paths.run).name == Path(direct.paths.run).name


def test_several_objectives_give_the_trials_that_none_beats_and_no_pruning():
    study = shared("tune=multi_objective")
    assert study.plan.directions == ["minimize", "maximize"]
    for fid, speed in ((5.0, 10.0), (3.0, 5.0), (6.0, 9.0)):
        study.tell(begin(study, this_process()), "COMPLETE", [fid, speed])
    assert [trial.number for trial in best_trials(study)] == [1, 0]
    high_is_good = shared("tune=multi_objective", "tune.objective=[metrics/inception_score,metrics/fid]", "name=high")
    for _ in range(12):
        trial = begin(high_is_good, this_process())
        high_is_good.study.tell(trial, [10 if trial.params["beta1"] > 0.4 else trial.params["beta1"], 1.0])
    assert sum(importances(high_is_good).values()) == pytest.approx(1)
    with pytest.raises(GanforgeError, match="add tune/pruner=none"):
        shared("tune=multi_objective", "tune/pruner=median")

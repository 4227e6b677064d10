"""One worker of a study: trains one trial after another until the study has enough."""

import gc
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from omegaconf import DictConfig, OmegaConf, open_dict

from ganforge.core.config import compose
from ganforge.core.console import muted, say
from ganforge.core.errors import GanforgeError, Pruned, Stopped, StudyError, TakenOver
from ganforge.core.files import is_disk_full, lock
from ganforge.core.messages import error_message
from ganforge.models.contents import images_seen_of
from ganforge.runs.folder import RunFolder, load_checkpoint, this_process
from ganforge.tuning.reports import final_values
from ganforge.tuning.results import best_trials, keep_best, shown, write_best
from ganforge.tuning.study import SharedStudy

if TYPE_CHECKING:
    from optuna.trial import Trial

__all__ = ["Train", "trial_config", "work"]

#: Trains a composed configuration and returns the last evaluation's values.
Train = Callable[[DictConfig], dict[str, float]]


def work(shared: SharedStudy, train: Train) -> None:
    """Train trials by ``train`` until the study has enough of them, or other workers are at the last ones.

    Raises:
        Stopped: after Ctrl-C or SIGTERM; the trial is saved, and any worker goes on with it.
        GanforgeError: if too many trials fail, or the study itself is wrong.
    """
    failed: list[str] = []
    while (trial := shared.next_trial()) is not None:
        problem = _conduct(shared, train, trial)
        gc.collect()  # a trainer and its model refer to each other: the device's memory is free only then
        with lock(shared.plan.folder):
            write_best(shared)
            keep_best(shared)
        failed += [problem] if problem else []
        if len(failed) >= shared.plan.settings["failures"]:
            raise GanforgeError(f"{len(failed)} trials have failed, the last one so: {failed[-1]}")


def _conduct(shared: SharedStudy, train: Train, trial: "Trial") -> str | None:
    """Train one trial and record how it ended, unless it has become another's; return what went wrong, if it failed."""
    try:
        return _attempt(shared, train, trial)
    except TakenOver as other:
        say(str(other))
        return None


def _attempt(shared: SharedStudy, train: Train, trial: "Trial") -> str | None:
    plan, started = shared.plan, time.perf_counter()
    values = {dimension.name: dimension.suggest(trial) for dimension in shared.space}
    say(f"Trial {trial.number}: " + ", ".join(f"{name} {shown(value)}" for name, value in values.items()))
    try:
        outcome, objectives, result = _train(shared, train, trial, values)
    except (Stopped, KeyboardInterrupt):
        shared.release(trial)
        raise
    except TakenOver:
        raise
    except StudyError as error:
        _fail(shared, trial, str(error))
        raise
    except Exception as error:
        cause: BaseException | None = error
        while cause is not None:
            if is_disk_full(cause):
                shared.release(trial)
                raise
            cause = cause.__cause__
        if shared.space.base.trace:
            raise
        return _fail(shared, trial, error_message(error, plan.overrides))
    shared.tell(trial, outcome, objectives)
    say(f"Trial {trial.number}: {result} {_leader(shared)} ({time.perf_counter() - started:.0f} s)")
    return None


def _train(
    shared: SharedStudy, train: Train, trial: "Trial", values: dict[str, object]
) -> tuple[str, list[float] | None, str]:
    """Train, or go on; return the outcome, the objectives and a sentence."""
    plan, folder = shared.plan, RunFolder(shared.plan.trial_folder(trial.number))
    config = trial_config(shared, trial.number, values)
    own, status = shared.holds(trial.number), folder.status()
    if own and status.get("state") == "pruned":  # the worker died before it could report
        return "PRUNED", None, str(status["ending"]["message"])
    if own:
        _settle_start(config, folder, trial.number)
    else:
        config.resume, config.force = False, True
    try:
        with muted():
            scores = train(config)
    except Pruned as pruned:
        return "PRUNED", None, str(pruned)
    objectives = final_values(plan, trial.number, scores)
    result = ", ".join(f"{name} {value:.5g}" for name, value in zip(plan.objective, objectives, strict=True))
    return "COMPLETE", objectives, f"{result}."


def trial_config(shared: SharedStudy, number: int, values: dict[str, object]) -> DictConfig:
    """Compose what one trial trains, as the command line would, with its line to the study."""
    plan = shared.plan
    config = compose(plan.trial_words(shared.space, number, values))
    with open_dict(config):
        config.resume = True
        config.requeue = False  # the study's command does that, for all workers at once
        config.trial = shared.identity(number)
        if plan.prunes:
            config.callbacks.pruning = {
                "_target_": "ganforge.callbacks.pruning.Pruning",
                "number": number,
                "owner": this_process(),
                "reporter": {
                    "_target_": "ganforge.tuning.reports.Reporter",
                    "_partial_": True,
                    "file": str(plan.file),
                    "number": number,
                },
            }
        if OmegaConf.select(config, "logger.wandb.name") is not None:
            config.logger.wandb.name = f"{plan.name}-trial{number}"
    return config


def _settle_start(config: DictConfig, folder: RunFolder, number: int) -> None:
    """Choose the checkpoint to go on from, or to finish from where all images were seen: the last one that is whole."""
    if not folder.has_checkpoint() or folder.status().get("state") == "finished":
        return
    for word in ("last", "previous"):
        content = load_checkpoint(folder.checkpoints / f"{word}.ckpt")
        if content is not None:
            config.resume = word
            say(f"Trial {number}: going on at {images_seen_of(content) or 0:,} images.")
            return
    config.resume, config.force = False, True


def _fail(shared: SharedStudy, trial: "Trial", sentence: str) -> str:
    shared.tell(trial, "FAIL", error=sentence)
    say(f"Trial {trial.number} failed: {sentence}")
    return sentence


def _leader(shared: SharedStudy) -> str:
    """Return where the study stands."""
    best = best_trials(shared)
    count = f"{shared.done()} of {shared.plan.settings['n_trials']} trials"
    if not best:
        return count
    return f"{count}; best: {best[0].values[0]:.5g} (trial {best[0].number})"

"""A study in its storage: who trains which trial, and whose process has died."""

import json
import random
import time
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from ganforge.core.build import build
from ganforge.core.console import say
from ganforge.core.errors import GanforgeError, StudyError, TakenOver, first_line
from ganforge.core.files import lock
from ganforge.core.yaml_files import read_yaml
from ganforge.runs.folder import is_alive, this_process
from ganforge.tuning.plan import Plan
from ganforge.tuning.space import Space
from ganforge.tuning.storage import open_storage, optuna, owner_of, trial_of

if TYPE_CHECKING:
    from optuna import Study, Trial
    from optuna.samplers import BaseSampler
    from optuna.trial import FrozenTrial

__all__ = ["SharedStudy"]

#: How often one trial may outlive the process that trains it before it is given up.
_DEATHS = 5

#: How long to wait, in seconds, for another machine that takes on the same trial: longer than a storage's answer takes.
_CLAIM_SECONDS = (1.0, 2.0)


class SharedStudy:
    """One worker's view of a study that others may be working on.

    Args:
        plan: the study.
        space: its search space.

    Raises:
        GanforgeError: if the storage holds another study under this name.
    """

    def __init__(self, plan: Plan, space: Space) -> None:
        self.plan, self.space = plan, space
        self.storage = open_storage(plan.storage)
        with lock(plan.folder):
            self.study: Study = optuna().create_study(
                storage=self.storage, study_name=plan.name, directions=plan.directions, load_if_exists=True
            )
            self._agree()
            self._enqueue()
            plan.share()
            joined = self.study.user_attrs.get("joined", 0)
            self.study.set_user_attr("joined", joined + 1)
        self.study.sampler = self._sampler(joined, len(self.trials()))

    def trials(self) -> "list[FrozenTrial]":
        """Return all trials, as they are now."""
        trials: list[FrozenTrial] = self.study.get_trials(deepcopy=False)
        return trials

    def identity(self, number: int) -> str:
        """Return what identifies a trial, also among those of an earlier study with the same name."""
        started = self.trials()[number].datetime_start
        assert started is not None
        return f"{self.plan.name} {number} {started.isoformat()}"

    def holds(self, number: int) -> bool:
        """Whether a trial's folder is this very trial's, not that of a study of the same name in another storage."""
        file = self.plan.trial_folder(number) / "config.yaml"
        return file.exists() and read_yaml(file).get("trial") == self.identity(number)

    def done(self) -> int:
        """Return how many trials have finished or were pruned, over all workers."""
        return sum(trial.state.name in ("COMPLETE", "PRUNED") for trial in self.trials())

    def next_trial(self) -> "Trial | None":
        """Take on a trial: one whose process has died, or a new one; ``None`` if the others do what is left."""
        with lock(self.plan.folder):
            for lost in filter(self.is_lost, self._running()):
                adopted = self._adopt(lost)
                if adopted is not None:
                    return adopted
            trials, busy = self.trials(), sum(not self.is_lost(trial) for trial in self._running())
            waiting = any(trial.state.name == "WAITING" for trial in trials)
            exhausted = self.plan.settings["sampler"] is None and not waiting
            if exhausted or self.done() + busy >= self.plan.settings["n_trials"]:
                return None
            trial = self.study.ask()
            self._own(trial)
        return trial

    def release(self, trial: "Trial") -> None:
        """Let any worker go on with a trial that this one leaves, saved; one that another has taken over is its own."""
        if owner_of(self.storage, trial) == this_process():
            trial.set_user_attr("owner", {})

    def tell(self, trial: "Trial", state: str, values: list[float] | None = None, error: str | None = None) -> None:
        """Record how a trial ended: ``COMPLETE``, ``PRUNED``, or ``FAIL`` with its sentence.

        Raises:
            TakenOver: if another worker has gone on with it meanwhile, or has ended it.
        """
        if owner_of(self.storage, trial) != this_process():
            raise TakenOver(f"Trial {trial.number} has been taken over by another worker, and is left to it.")
        if error is not None:
            trial.set_user_attr("error", error)
        self.study.tell(trial, values, state=optuna().trial.TrialState[state])

    def _running(self) -> "list[FrozenTrial]":
        return [trial for trial in self.trials() if trial.state.name == "RUNNING"]

    def _own(self, trial: "Trial") -> None:
        trial.set_user_attr("owner", this_process())
        trial.set_user_attr("run", str(self.plan.trial_folder(trial.number)))

    def _adopt(self, lost: "FrozenTrial") -> "Trial | None":
        trial = trial_of(self.study, self.storage, lost.number)
        died = lost.user_attrs.get("deaths", 0) + bool(lost.user_attrs.get("owner"))
        self._own(trial)
        if not self._has_claimed(trial):
            return None
        trial.set_user_attr("deaths", died)
        if died >= _DEATHS:
            self.tell(trial, "FAIL", error=f"The process that trained this trial died {died} times.")
            return None
        return trial

    def _has_claimed(self, trial: "Trial") -> bool:
        """Whether a trial stays this worker's: a lock in the folder does not hold machines that share a storage alone.

        Of those that write their names at the same time the last one has it, once all have looked.
        """
        if self.plan.settings["storage"] is not None:
            time.sleep(random.uniform(*_CLAIM_SECONDS))
        return owner_of(self.storage, trial) == this_process()

    def is_lost(self, trial: "FrozenTrial") -> bool:
        """Whether nobody trains a trial that counts as running."""
        owner: Mapping[str, object] | None = trial.user_attrs.get("owner")
        if owner is None:  # between being created and being owned are milliseconds, or a death
            started = trial.datetime_start
            return started is None or (datetime.now(started.tzinfo) - started).total_seconds() > 60
        if not owner or owner == this_process():
            return True
        alive = is_alive(owner)
        return self._is_silent(trial.number) if alive is None else not alive

    def _is_silent(self, number: int) -> bool:
        """Whether another machine's trial has written nothing for long, where its folder can be seen."""
        files = [path for path in self.plan.trial_folder(number).rglob("*") if path.is_file()]
        newest = max((path.stat().st_mtime for path in files), default=time.time())
        return bool(time.time() - newest > self.plan.settings["silent_minutes"] * 60)

    def _agree(self) -> None:
        """Refuse to join a study of something else."""
        own = json.dumps(self.plan.definition, sort_keys=True)
        stored = self.study.user_attrs.get("definition")
        if stored is None:
            self.study.set_user_attr("definition", own)
        elif stored != own:
            theirs = json.loads(stored)
            differ = [key for key, value in self.plan.definition.items() if theirs.get(key) != value]
            what = " and ".join("configuration" if key == "signature" else f"tune.{key}" for key in differ)
            raise StudyError(
                f"The study '{self.plan.name}' in '{self.plan.storage}' was begun with another {what}: repeat the "
                "command that began it, or give this one a name of its own with name=NAME."
            )
        if [direction.name.lower() for direction in self.study.directions] != self.plan.directions:
            raise StudyError(f"The study '{self.plan.name}' optimizes something else: add name=NAME.")

    def _enqueue(self) -> None:
        """Begin a study: with the grid, or with the configuration's own values, which the others have to beat."""
        if self.trials():
            return
        default = self.space.default()
        points = self.space.grid() if self.plan.settings["sampler"] is None else [default] if default else []
        wanted: int = self.plan.settings["n_trials"]
        if len(points) > 1:
            say(f"The grid has {len(points)} points" + (f"; tune.n_trials={wanted}." if wanted < len(points) else "."))
        for point in points:
            self.study.enqueue_trial(point, skip_if_exists=True)

    def _sampler(self, *position: int) -> "BaseSampler":
        """Build the sampler; a seed is mixed with how many joined before and trials there are, to repeat none."""
        settings = self.plan.settings["sampler"]
        if settings is None:
            sampler: BaseSampler = optuna().samplers.RandomSampler()
            return sampler
        seed = settings.get("seed")
        mixed = random.randrange(2**31) if seed is None else random.Random(str([seed, *position])).randrange(2**31)
        try:
            sampler = build({**settings, "seed": mixed}, "sampler")
        except Exception as error:
            reason = first_line(error.__cause__ or error)
            raise GanforgeError(f"tune.sampler cannot be built: {reason}.") from error
        return sampler

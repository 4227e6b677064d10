"""Results of a study: the table, and the best configuration as an experiment file."""

import shlex
import shutil
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, ListConfig, OmegaConf

from ganforge.core.config import compose, groups
from ganforge.core.containers import plain
from ganforge.core.files import write_text
from ganforge.core.secrets import masked, masked_words
from ganforge.core.tables import text_table
from ganforge.tuning.plan import BEST_FILE_HEAD
from ganforge.tuning.storage import optuna
from ganforge.tuning.study import SharedStudy

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

__all__ = ["best_trials", "importances", "keep_best", "table", "write_best"]


def best_trials(shared: SharedStudy) -> "list[FrozenTrial]":
    """Return finished trials, best first; with several objectives those that none beats in all, by the first one."""
    if len(shared.plan.objective) > 1:
        finished = list(shared.study.best_trials)
    else:
        finished = [trial for trial in shared.trials() if trial.state.name == "COMPLETE"]
    sign = -1 if shared.plan.directions[0] == "maximize" else 1
    return sorted(finished, key=lambda trial: (sign * trial.values[0], trial.number))


def table(shared: SharedStudy, trials: "Sequence[FrozenTrial]") -> list[str]:
    """Return one line a trial: its objectives and its values."""
    names = [dimension.name for dimension in shared.space]
    rows = [["trial", *shared.plan.objective, *names]]
    for trial in trials:
        values = [f"{value:.5g}" for value in trial.values]
        rows.append([str(trial.number), *values, *(shown(trial.params[name]) for name in names)])
    return text_table(rows)


def shown(value: object) -> str:
    """Return a parameter's value as the tables show it."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def importances(shared: SharedStudy) -> dict[str, float]:
    """Return each parameter's share in the first objective's variation (PED-ANOVA, Watanabe et al. 2023).

    Empty where there are fewer than five finished trials, or only one parameter.
    """
    finished = [trial for trial in shared.trials() if trial.state.name == "COMPLETE"]
    if len(finished) < 5 or len(shared.space.dimensions) < 2:
        return {}
    sign = -1 if shared.plan.directions[0] == "maximize" else 1  # the evaluator looks for low values
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it does, and that it is experimental
        shares: dict[str, float] = optuna().importance.get_param_importances(
            shared.study,
            evaluator=optuna().importance.PedAnovaImportanceEvaluator(),
            target=lambda trial: sign * trial.values[0],
        )
    return shares


def write_best(shared: SharedStudy) -> Path | None:
    """Write the best trial's configuration as ``experiment/best.yaml`` in the study's folder, where there is one.

    ``ganforge train --config-dir STUDY experiment=best`` composes the same run, to the signature.
    """
    best = best_trials(shared)
    if not best:
        return None
    plan, trial = shared.plan, best[0]
    words = [*plan.overrides, *shared.space.words(trial.params)]
    values = ", ".join(f"{name} {value:.6g}" for name, value in zip(plan.objective, trial.values, strict=True))
    composed = compose(words)
    kept = [word for word in words if _belongs_to_result(word, composed)]
    head = [
        BEST_FILE_HEAD,
        f"# Trial {trial.number}, the best of the study '{plan.name}' ({shared.done()} trials): {values}. The same as",
        f"# ganforge train {shlex.join(masked_words([*plan.search_words, *kept]))}",
    ]
    chosen, rest = _split(kept)
    content: dict[str, object] = {"defaults": chosen}
    for key in rest:
        _put(content, *_whole_lists(composed, key))
    path = plan.best_file
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, "\n".join(head) + "\n" + OmegaConf.to_yaml(OmegaConf.create(masked(content))))
    return path


def keep_best(shared: SharedStudy) -> None:
    """Delete the checkpoints of this study's trials that have ended and are not among the best ones."""
    count = shared.plan.settings["keep_checkpoints"]
    if count is None:
        return
    kept = {trial.number for trial in best_trials(shared)[:count]}
    for trial in shared.trials():
        if trial.state.is_finished() and trial.number not in kept and shared.holds(trial.number):
            shutil.rmtree(shared.plan.trial_folder(trial.number) / "checkpoints", ignore_errors=True)


def _belongs_to_result(word: str, composed: DictConfig) -> bool:
    """Whether a word changes what is computed: not where, nor how it is logged."""
    if word.startswith(("trainer=", "debug=", "hydra.")):  # debug comes after experiments, and is typed anew
        return False
    key, absent = _key(word), object()
    is_group_alone = OmegaConf.select(composed, key, default=absent) is absent  # experiment=
    return is_group_alone or OmegaConf.select(composed.settings, key, default=absent) is not absent


def _key(word: str) -> str:
    return word.partition("=")[0].lstrip("+~")


def _split(words: Sequence[str]) -> tuple[list[object], list[str]]:
    """Separate choices of groups, as a defaults list has them, from the keys of single values; the last word counts."""
    known = groups("train")
    chosen: dict[str, object] = {}
    keys: dict[str, None] = {}
    for word in words:
        key = _key(word)
        if key in known:
            chosen[key] = _option(word.partition("=")[2])
        else:
            keys[key] = None
    base = chosen.pop("experiment", None)
    defaults: list[object] = [base] if isinstance(base, str) else list(base) if isinstance(base, list) else []
    defaults += [{f"override /{group}": option} for group, option in chosen.items()]
    return [*defaults, "_self_"], list(keys)


def _option(text: str) -> object:
    """Read a group's option as typed: a word, or a list of words."""
    read = OmegaConf.create(f"option: {text}")
    assert isinstance(read, DictConfig)
    return plain(read, resolve=False)["option"]


def _whole_lists(config: DictConfig, key: str) -> tuple[str, object]:
    """Return what to write for a key; an entry of a list cannot be set by itself, so the list is written."""
    parent = key
    while "." in parent:
        parent = parent.rpartition(".")[0]
        if isinstance(OmegaConf.select(config, parent), ListConfig):
            key = parent
    value = OmegaConf.select(config, key)
    return key, OmegaConf.to_container(value) if isinstance(value, DictConfig | ListConfig) else value


def _put(content: dict[str, Any], key: str, value: object) -> None:
    *parents, last = key.split(".")
    for parent in parents:
        content = content.setdefault(parent, {})
    content[last] = value

"""Search for the values that train best: a study that any number of workers join, on any number of machines."""

import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

from omegaconf import DictConfig

from ganforge.commands.train import train
from ganforge.core.checks import check_nodes
from ganforge.core.config import quoted
from ganforge.core.config_files import own_folders
from ganforge.core.console import log_to, say
from ganforge.core.errors import GanforgeError, Stopped
from ganforge.core.files import lock
from ganforge.core.launch import inside_a_launched_process, supervise
from ganforge.core.slurm import queued_again
from ganforge.sweeps.share import devices_of_workers, visible_gpus
from ganforge.tuning.plan import Plan
from ganforge.tuning.results import best_trials, importances, table, write_best
from ganforge.tuning.space import Space
from ganforge.tuning.study import SharedStudy

__all__ = ["tune"]

_SHOWN = 5


def tune(config: DictConfig) -> None:
    """Begin a study, join it, or go on with it; say what it has found.

    Raises:
        GanforgeError: for everything that the user can put right.
        Stopped: after Ctrl-C or SIGTERM, everything saved.
    """
    if inside_a_launched_process():
        raise GanforgeError(
            "A study's workers are commands of their own: start each with one task (srun --ntasks=1, a job array) or "
            "use tune.workers=N."
        )
    check_nodes(config)
    with log_to(None), queued_again(bool(config.requeue)):  # once for all workers, when all have saved
        plan, space = Plan.of(config, _overrides())
        shared = SharedStudy(plan, space)
        say(f"Study '{plan.name}': {shared.done()} of {plan.settings['n_trials']} trials done; storage {plan.storage}")
        try:
            _work(shared)
        except (Stopped, KeyboardInterrupt) as stop:
            code = stop.exit_code if isinstance(stop, Stopped) else 130
            raise Stopped(f"Stopped after {_standing(shared)}. To go on, repeat the command.", code) from None
        finally:
            with lock(plan.folder):
                write_best(shared)
        _conclude(shared)


def _overrides() -> list[str]:
    """Return what the trials have in common of what was typed, and where the user's own configurations lie."""
    from hydra.core.hydra_config import HydraConfig

    hydra = HydraConfig.get()
    own = [word for word in hydra.overrides.task if not word.lstrip("+~").startswith(("tune=", "tune.", "tune/"))]
    added = [quoted(f"file://{folder}") for folder in own_folders(hydra)]
    return [f"hydra.searchpath=[{','.join(added)}]", *own] if added else own


def _work(shared: SharedStudy) -> None:
    if shared.plan.settings["workers"] == 1:
        from ganforge.tuning.worker import work

        work(shared, train)
    else:
        _start_workers(shared.plan)


def _start_workers(plan: Plan) -> None:
    """Run the study in several processes of this machine, and wait for them."""
    count: int = plan.settings["workers"]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "plan.yaml"
        plan.write(file)
        command = [sys.executable, "-P", "-m", "ganforge.commands.tune", str(file)]
        # Sessions of their own: Ctrl-C reaches this process alone, which asks each once to save and end.
        workers = [
            subprocess.Popen(command, env=environment_of_worker(number, count), start_new_session=True)
            for number in range(count)
        ]
        codes, received = supervise(workers)
    if received:
        raise Stopped("", 128 + received)
    if any(codes):
        failed = sum(code != 0 for code in codes)
        raise GanforgeError(
            f"{failed} of {count} workers failed, their own messages are above; repeat the command to go on."
        )


def environment_of_worker(number: int, count: int) -> dict[str, str]:
    """Return a worker's environment: its share of the threads, and of the GPUs where there are several."""
    threads = str(max(1, (os.cpu_count() or 1) // count))
    environment = {"OMP_NUM_THREADS": threads, **os.environ}
    gpus = visible_gpus()
    if len(gpus) > 1:
        environment["CUDA_VISIBLE_DEVICES"] = devices_of_workers(gpus, count)[number]
    return environment


def _standing(shared: SharedStudy) -> str:
    return f"{shared.done()} of {shared.plan.settings['n_trials']} trials"


def _conclude(shared: SharedStudy) -> None:
    """Say what was found, and how to use it."""
    plan, states = shared.plan, [trial.state.name for trial in shared.trials()]
    counts = [("finished", "COMPLETE"), ("pruned", "PRUNED"), ("failed", "FAIL"), ("running elsewhere", "RUNNING")]
    summary = ", ".join(f"{states.count(state)} {name}" for name, state in counts if state in states)
    say(f"\nStudy '{plan.name}': {summary}.")
    best = best_trials(shared)
    if not best:
        return
    say("None is better in all objectives than these:" if len(plan.objective) > 1 else "The best:")
    for line in table(shared, best[:_SHOWN]):
        say(f"  {line}")
    shares = importances(shared)
    if shares:
        say("Importances: " + ", ".join(f"{name} {share:.0%}" for name, share in shares.items()))
    words = ["ganforge", "train", "--config-dir", str(plan.folder), *plan.search_words, "experiment=best", "seed=1"]
    say(f"To train the best one: {shlex.join(words)}")
    say(f"To look at all: optuna-dashboard {plan.storage}")


def _main() -> int:
    """Work on the plan in the file named on the command line: one of several processes."""
    from ganforge.core.config import register_resolvers
    from ganforge.core.messages import print_error
    from ganforge.tuning.worker import work

    register_resolvers()
    plan = Plan.read(Path(sys.argv[1]))
    try:
        with log_to(None):
            work(SharedStudy(plan, Space(plan.settings["space"], plan.overrides)), train)
    except Stopped as stop:
        return stop.exit_code
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        return print_error(error, plan.overrides)
    return 0


if __name__ == "__main__":
    sys.exit(_main())

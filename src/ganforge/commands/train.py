"""Train one composed configuration, from its run folder's state to the last word on the console."""

import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from omegaconf import DictConfig, OmegaConf

from ganforge.callbacks.ending import Ending
from ganforge.commands.parts import Parts, build_callbacks, build_parts, build_trainer
from ganforge.commands.pretrain import pretrain, wants_pretraining
from ganforge.core.build import build
from ganforge.core.checks import check_nodes
from ganforge.core.console import log_to, muted
from ganforge.core.errors import GanforgeError, Pruned, Stopped, TakenOver
from ganforge.core.files import lock
from ganforge.core.launch import environment_processes, environment_rank, exit_status, inside_a_launched_process, launch
from ganforge.core.messages import print_error
from ganforge.core.settings import shown_settings, without_settings
from ganforge.core.slurm import queued_again
from ganforge.core.streams import console_optional
from ganforge.core.yaml_files import read_yaml
from ganforge.runs.folder import RunFolder, command_line
from ganforge.runs.lifecycle import check_precision, check_space, claim, in_one_sentence, processes_wanted, recorded
from ganforge.runs.start import at_its_place
from ganforge.runs.summary import announce, print_summary

if TYPE_CHECKING:
    from pytorch_lightning.loggers import Logger

    from ganforge.callbacks.loop import RunLoop
    from ganforge.data.module import DataModule
    from ganforge.models.base import AdversarialModule
    from ganforge.runs.origin import Origin

__all__ = ["train"]


def train(config: DictConfig) -> dict[str, float]:
    """Train, or say that it has been done; return the last evaluation's values.

    What can be refused is refused before anything is written.

    Raises:
        GanforgeError: for everything that the user can put right.
        Stopped: after Ctrl-C, SIGTERM, SIGHUP or SLURM's warnings, everything saved.
    """
    config = at_its_place(config)
    folder = RunFolder(Path(config.paths.run))
    wanted = config.requeue and environment_rank() == 0
    with console_optional(), log_to(None), queued_again(wanted):
        finished = claim(config, folder)  # a finished run answers without importing classes
        if finished is not None:
            return finished
        check_nodes(config)
        check_precision(config)
        processes = environment_processes() if inside_a_launched_process() else processes_wanted(config)
        parts = build_parts(config, processes)
        if wants_pretraining(config, folder):
            pretrain(config, train)
        return _begin(config, folder, parts, processes)


def _begin(config: DictConfig, folder: RunFolder, parts: Parts, processes: int) -> dict[str, float]:
    """Take the folder and train in it, in this process or in those that it starts."""
    with ExitStack() as alone:
        alone.enter_context(lock(folder.path.parent))  # the same command twice: one begins, the other sees that
        finished = claim(config, folder)
        if finished is not None:
            return finished
        if environment_rank() > 0:  # started by SLURM beside the process that keeps the records
            alone.close()
            return train_here(config, folder, parts)
        with recorded(folder):
            if config.force:
                folder.set_aside()
            folder.begin(config, command_line())
            alone.close()
            if processes == 1 or inside_a_launched_process():
                with log_to(folder.path / "train.log", parts.said):
                    return train_here(config, folder, parts)
            del parts  # the processes build their own
            return _launch(config, folder, processes)


def _launch(config: DictConfig, folder: RunFolder, processes: int) -> dict[str, float]:
    """Train in several processes of this machine, and wait for them."""
    with tempfile.TemporaryDirectory() as private:  # with what the run's own copy masks
        path = Path(private) / "config.yaml"
        path.write_text(OmegaConf.to_yaml(without_settings(config), resolve=True))
        launch(path, processes, "ganforge.commands.train")
    status = folder.status()
    _raise_unless_completed(Ending(**status["ending"]))
    scores: dict[str, float] = status.get("scores", {})
    return scores


def train_here(config: DictConfig, folder: RunFolder, parts: Parts) -> dict[str, float]:
    """Build the rest and fit, in this process."""
    from ganforge.core import rng
    from ganforge.loggers.base import Loggers
    from ganforge.runs.origin import find_origin, record_start, rewind_logs, settle_data

    model, data = parts.model, parts.data
    loop, callbacks = build_callbacks(config)
    loggers = [build(entry, "logger") for entry in (config.logger or {}).values()]
    origin = find_origin(config, folder, Loggers(loggers), model)
    record_start(folder, origin, settle_data(config, folder, data, origin))
    rewind_logs(origin, Loggers(loggers))
    if origin.mode == "finish":
        return _finish(config, folder, model, data, loop, loggers, origin)
    trainer = build_trainer(config, loggers, [loop, *callbacks])
    for logger in loggers:
        logger.log_hyperparams(shown_settings(config))
    check_space(folder, model)
    if environment_rank() == 0:
        folder.update(better=dict(loop.scores.better))
    announce(config, folder, model, data, trainer)
    rng.seed_all(config.seed, "train", environment_rank())
    try:
        trainer.fit(model, datamodule=data, ckpt_path=origin.resume_from, weights_only=True)
    except SystemExit as error:  # what Lightning makes of a second Ctrl-C
        raise KeyboardInterrupt from error
    except TakenOver:  # run.json is another worker's by now
        raise
    except Exception:
        _keep_record(folder, model, loop)
        raise
    _keep_record(folder, model, loop)
    assert loop.ending is not None
    _raise_unless_completed(loop.ending)
    if environment_rank() == 0:
        print_summary(config, folder, loop.scores.last)
    return dict(loop.scores.last)


def _finish(
    config: DictConfig,
    folder: RunFolder,
    model: "AdversarialModule",
    data: "DataModule",
    loop: "RunLoop",
    loggers: "list[Logger]",
    origin: "Origin",
) -> dict[str, float]:
    """Do what a run that has seen all its images was killed before: what is missing of its evaluation and its record.

    The first process does it alone.
    """
    if environment_rank() > 0:
        return {}
    from ganforge.core.devices import choose_device
    from ganforge.loggers.base import Loggers

    assert origin.content is not None
    model.bind(data)
    model.on_load_checkpoint(origin.content)
    model.load_state_dict(origin.content["state_dict"])
    model.to(choose_device(config.trainer.accelerator), memory_format=model.memory_format)
    loop.load_state_dict(origin.content["callbacks"].get(loop.state_key, {}))
    loop.finish(model, data, Loggers(loggers))
    for logger in loggers:
        logger.finalize("success")
    _keep_record(folder, model, loop)
    print_summary(config, folder, loop.scores.last)
    return dict(loop.scores.last)


def _keep_record(folder: RunFolder, model: "AdversarialModule", loop: "RunLoop") -> None:
    """Write how far the run went, how it ended and how its health was to ``run.json``."""
    if environment_rank() == 0:
        folder.update(images_seen=model.images_seen, **loop.record())


def _raise_unless_completed(ending: Ending) -> None:
    """Raise what a run's ending means for the command.

    Raises:
        Stopped: if it was interrupted.
        GanforgeError: if it was stopped for its health.
        Pruned: if its study has ended it.
    """
    if ending.kind == "interrupted":
        raise Stopped(ending.message, 128 + ending.signal)
    if ending.kind == "unhealthy":
        raise GanforgeError(ending.message)
    if ending.kind == "pruned":
        raise Pruned(ending.message)


@console_optional()
def _main() -> int:
    """Train the configuration file named on the command line: one of several processes."""
    config = OmegaConf.create(read_yaml(Path(sys.argv[1])))
    folder = RunFolder(Path(config.paths.run))
    try:
        with log_to(folder.path / "train.log"):
            with muted():  # the process that has launched this one has said it
                parts = build_parts(config, environment_processes())
            train_here(config, folder, parts)
    except Stopped as stop:
        if environment_rank() == 0:
            print(stop, file=sys.stderr)  # noqa: T201
        return stop.exit_code
    except Pruned:  # no failure: the process that has launched this one reads run.json
        return 0
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        if config.trace:
            raise
        print_error(in_one_sentence(error, folder))
        return exit_status(error)
    return 0


if __name__ == "__main__":
    sys.exit(_main())

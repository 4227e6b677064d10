"""Train one composed configuration, from its run folder's state to the last word on the console."""

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from omegaconf import DictConfig, OmegaConf

from ganforge.callbacks.ending import Ending
from ganforge.core.console import log_to, say
from ganforge.core.errors import GanforgeError, Pruned, Stopped, TakenOver
from ganforge.core.files import lock
from ganforge.core.launch import environment_rank, exit_status, inside_a_launched_process, launch
from ganforge.core.messages import print_error
from ganforge.core.settings import without_settings
from ganforge.core.slurm import queued_again
from ganforge.runs.folder import RunFolder, checkpoint_to_resume, command_line
from ganforge.runs.lifecycle import check_space, claim, in_one_sentence, processes_wanted, recorded
from ganforge.runs.summary import announce, print_summary

if TYPE_CHECKING:
    from pytorch_lightning import Callback

    from ganforge.callbacks.loop import RunLoop
    from ganforge.loggers.base import Loggers
    from ganforge.models.base import AdversarialModule

__all__ = ["train"]


def train(config: DictConfig) -> dict[str, float]:
    """Train, or say that it has been done; return the last evaluation's values.

    Raises:
        GanforgeError: for everything that the user can put right.
        Stopped: after Ctrl-C, SIGTERM or SLURM's warnings, everything saved.
    """
    folder = RunFolder(Path(config.paths.run))
    wanted = config.requeue and environment_rank() == 0
    with log_to(folder.path / "train.log"), queued_again(wanted), ExitStack() as alone:
        alone.enter_context(lock(folder.path.parent))  # the same command twice: one begins, the other sees that
        finished = claim(config, folder)
        if finished is not None:
            return finished
        if environment_rank() > 0:  # started by SLURM beside the process that keeps the records
            alone.close()
            return train_here(config, folder)
        with recorded(folder):
            folder.begin(config, command_line())
            alone.close()
            processes = 1 if inside_a_launched_process() else processes_wanted(config)
            if processes == 1:
                return train_here(config, folder)
            launch(folder.path / "config.yaml", processes, "ganforge.commands.train")
            status = folder.status()
            _raise_unless_completed(Ending(**status["ending"]))
            scores: dict[str, float] = status.get("scores", {})
            return scores


def train_here(config: DictConfig, folder: RunFolder) -> dict[str, float]:
    """Build everything and fit, in this process."""
    from hydra.utils import instantiate
    from pytorch_lightning import Trainer

    from ganforge.core import rng
    from ganforge.core.workarounds import gradient_averaging, quiet_lightning
    from ganforge.loggers.base import Loggers
    from ganforge.models.preflight import preflight

    quiet_lightning()
    rng.seed_all(config.seed, "build")
    # Everything that can be refused without data is built before data is touched.
    model = instantiate(config.model)
    data = instantiate(config.data)
    preflight(model, data.example())
    loop, callbacks = _callbacks(config)
    loggers = [instantiate(entry) for entry in (config.logger or {}).values()]
    resume_from = _resume(config, folder, Loggers(loggers), model)
    data.splits()
    several = inside_a_launched_process()
    trainer = Trainer(
        accelerator=config.trainer.accelerator,
        devices=config.trainer.devices,
        num_nodes=config.trainer.num_nodes,
        precision=config.trainer.precision,
        deterministic=config.trainer.deterministic,
        benchmark=not config.trainer.deterministic,
        strategy=gradient_averaging() if several else "auto",
        logger=loggers,
        callbacks=[loop, *callbacks],
        max_epochs=-1,
        use_distributed_sampler=False,  # the batch order is sharded by ganforge.data
        num_sanity_val_steps=0,
        enable_progress_bar=False,
        enable_checkpointing=False,
        enable_model_summary=False,
    )
    for logger in loggers:
        logger.log_hyperparams(OmegaConf.to_container(without_settings(config), resolve=True))
    check_space(folder, model)
    announce(config, folder, model, data, trainer)
    rng.seed_all(config.seed, "train", environment_rank())
    try:
        trainer.fit(model, datamodule=data, ckpt_path=resume_from, weights_only=True)
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


def _callbacks(config: DictConfig) -> tuple["RunLoop", list["Callback"]]:
    """Build callbacks; evaluation only where there is a protocol, and no values of callbacks that are not there."""
    from hydra.utils import instantiate

    from ganforge.callbacks.assemble import assemble

    entries = dict(config.callbacks or {})
    if not config.protocol:
        entries.pop("evaluate", None)
    return assemble(
        {key: instantiate(entry) for key, entry in entries.items() if entry is not None and "_target_" in entry}
    )


def _resume(config: DictConfig, folder: RunFolder, loggers: "Loggers", model: "AdversarialModule") -> Path | None:
    """Return the checkpoint to go on from, and bring the logs back to its clock."""
    if config.resume is False or (config.resume is True and not folder.has_checkpoint()):
        loggers.rewind(0)  # what a run wrote that was killed before its first checkpoint
        return None
    path, content = checkpoint_to_resume(folder, config.resume)
    images_seen = content["ganforge"]["images_seen"]
    if images_seen >= model.total_images:
        raise GanforgeError(
            f"'{path}' is at {images_seen:,} images and total_kimg={config.total_kimg:g} is reached: raise total_kimg."
        )
    loggers.load_state_dict(content.get("loggers", {}))
    loggers.rewind(images_seen)
    say(f"Going on from {path} at {images_seen:,} images.")
    return path


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


def _main() -> int:
    """Train the configuration file named on the command line: one of several processes."""
    config = OmegaConf.load(sys.argv[1])
    assert isinstance(config, DictConfig)
    folder = RunFolder(Path(config.paths.run))
    try:
        with log_to(folder.path / "train.log"):
            train_here(config, folder)
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

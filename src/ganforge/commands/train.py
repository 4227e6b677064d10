"""Train one composed configuration, from its run folder's state to the last word on the console."""

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from ganforge.core.console import log_to, say
from ganforge.core.errors import GanforgeError, Pruned, Stopped, TakenOver
from ganforge.core.files import lock
from ganforge.core.launch import environment_rank, exit_status, inside_a_launched_process, launch
from ganforge.core.messages import print_error
from ganforge.core.settings import without_settings
from ganforge.core.slurm import queued_again
from ganforge.runs.folder import RunFolder, checkpoint_to_resume, command_line
from ganforge.runs.lifecycle import check_space, claim, in_one_sentence, processes_wanted, recorded
from ganforge.runs.summary import announce, final_scores, print_summary

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
            return _train_here(config, folder)
        with recorded(folder):
            folder.begin(config, command_line())
            alone.close()
            processes = 1 if inside_a_launched_process() else processes_wanted(config)
            if processes == 1:
                _train_here(config, folder)
            else:
                launch(folder.path / "config.yaml", processes)
            status = folder.status()
            if status.get("pruned"):
                raise Pruned(status["pruned"])
            scores: dict[str, float] = status.get("scores", {})
            return scores


def _train_here(config: DictConfig, folder: RunFolder) -> dict[str, float]:
    """Build everything and fit, in this process."""
    from hydra.utils import instantiate
    from pytorch_lightning import Trainer

    from ganforge.callbacks.pruning import Pruning
    from ganforge.core import rng
    from ganforge.core.distributed import rank
    from ganforge.core.workarounds import gradient_averaging, quiet_lightning
    from ganforge.models.preflight import preflight

    quiet_lightning()
    rng.seed_all(config.seed, "build")
    # Everything that can be refused without data is built before data is touched.
    model = instantiate(config.model)
    data = instantiate(config.data)
    preflight(model, data.example())
    callbacks = _callbacks(config)
    loggers = [instantiate(entry) for entry in (config.logger or {}).values()]
    resume_from = _resume(config, folder, loggers, model)
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
        callbacks=callbacks,
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
        _keep_record(folder, model, callbacks)
        raise
    _keep_record(folder, model, callbacks)
    _raise_if_stopped(callbacks, model, config)
    scores = final_scores(callbacks, folder)
    pruned = next((callback.pruned for callback in callbacks if isinstance(callback, Pruning)), None)
    if rank() == 0:
        folder.update(pruned=pruned)
        print_summary(config, folder, scores)
    return scores


def _callbacks(config: DictConfig) -> list[Any]:
    """Build callbacks; evaluation only where there is a protocol, and no values of callbacks that are not there."""
    from hydra.utils import instantiate

    entries = dict(config.callbacks or {})
    if not config.protocol:
        entries.pop("evaluate", None)
    return [instantiate(entry) for entry in entries.values() if entry is not None and "_target_" in entry]


def _resume(config: DictConfig, folder: RunFolder, loggers: list[Any], model: Any) -> Path | None:
    """Return the checkpoint to go on from, and bring the logs back to its clock."""
    from ganforge.loggers.table import TableLogger
    from ganforge.loggers.wandb import ID_FILE

    tables = [logger for logger in loggers if isinstance(logger, TableLogger)]
    if config.resume is False or (config.resume is True and not folder.has_checkpoint()):
        for table in tables:
            table.rewind(0)  # what a run wrote that was killed before its first checkpoint
        return None
    path, content = checkpoint_to_resume(folder, config.resume)
    state = content["ganforge"]
    if state["images_seen"] >= model.total_images:
        raise GanforgeError(
            f"'{path}' is at {state['images_seen']:,} images and total_kimg={config.total_kimg:g} is reached: raise "
            "total_kimg."
        )
    if state.get("wandb_run_id") and not (folder.path / ID_FILE).exists():
        (folder.path / ID_FILE).write_text(state["wandb_run_id"])
    for table in tables:
        table.rewind(state["images_seen"])
    say(f"Going on from {path} at {state['images_seen']:,} images.")
    return path


def _keep_record(folder: RunFolder, model: Any, callbacks: list[Any]) -> None:
    """Write how far the run went, and how its health was, to ``run.json``."""
    from ganforge.callbacks.health import Health
    from ganforge.core.distributed import rank

    if rank() == 0:
        health = {"health": watch.record() for watch in callbacks if isinstance(watch, Health)}  # noqa: B035 - one at most
        folder.update(images_seen=model.images_seen, **health)


def _raise_if_stopped(callbacks: list[Any], model: Any, config: DictConfig) -> None:
    from ganforge.callbacks.health import Health
    from ganforge.callbacks.interrupt import Interrupt

    for callback in callbacks:
        if isinstance(callback, Health):
            callback.raise_if_stopped()
        if isinstance(callback, Interrupt) and callback.received and model.images_seen < model.total_images:
            raise Stopped(
                f"Stopped and saved at {model.images_seen:,} of {model.total_images:,} images. To go on, repeat the "
                "command with resume=true.",
                128 + callback.received,
            )


def _main() -> int:
    """Train the configuration file named on the command line: one of several processes."""
    config = OmegaConf.load(sys.argv[1])
    assert isinstance(config, DictConfig)
    folder = RunFolder(Path(config.paths.run))
    try:
        with log_to(folder.path / "train.log"):
            _train_here(config, folder)
    except Stopped as stop:
        if environment_rank() == 0:
            print(stop, file=sys.stderr)  # noqa: T201
        return stop.exit_code
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

"""Train one composed configuration, from its run folder's state to the last word on the console."""

import errno
import logging
import os
import shutil
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from ganforge.console import log_to, say
from ganforge.errors import GanforgeError, Stopped
from ganforge.launch import inside_a_launched_process, launch
from ganforge.runs import RunFolder, checkpoint_to_resume, command_line

__all__ = ["quieten", "train"]


def train(config: DictConfig) -> dict[str, float]:
    """Train, or say that it has been done; return the last evaluation's values.

    Raises:
        GanforgeError: for everything that the user can put right.
        Stopped: after Ctrl-C or SIGTERM, everything saved.
    """
    folder = RunFolder(Path(config.paths.run))
    with log_to(folder.path / "train.log"):
        if inside_a_launched_process():
            return _train_here(config, folder)
        finished = _claim(config, folder)
        if finished is not None:
            return finished
        folder.begin(config, command_line())
        processes = _processes(config)
        with _recorded(folder):
            if processes > 1:
                launch(folder.path / "config.yaml", processes)
                scores: dict[str, float] = folder.status().get("scores", {})
                return scores
            return _train_here(config, folder)


def _claim(config: DictConfig, folder: RunFolder) -> dict[str, float] | None:
    """Decide what an existing run folder means; return the scores of a run that is finished."""
    writer = folder.is_being_written()
    if writer is not None:
        raise GanforgeError(f"Process {writer} is training this very run in '{folder.path}': wait for it, or stop it.")
    if config.force:
        folder.clear()
    elif folder.status().get("state") == "finished" and config.resume is not True:
        if config.resume is False:
            return _already_finished(folder)
    elif folder.status().get("state") == "finished":
        return _already_finished(folder)
    elif folder.has_checkpoint() and config.resume is False:
        seen = folder.status().get("images_seen", 0)
        raise GanforgeError(
            f"An unfinished run of this configuration is in '{folder.path}' (last known at {seen:,} images): add "
            f"resume=true to "
            "go on, or force=true to delete it and start over."
        )
    return None


def _already_finished(folder: RunFolder) -> dict[str, float]:
    status = folder.status()
    say(f"This run is finished: {folder.path} ({status.get('images_seen', 0):,} images).")
    scores: dict[str, float] = status.get("scores", {})
    if scores:
        say(f"Scores ({status.get('protocol')}): {_format(scores)}")
    say("To train it again: force=true. For another one: seed=1, or any other change.")
    return scores


def _format(scores: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.4g}" for name, value in scores.items() if name != "images_seen")


@contextmanager
def _recorded(folder: RunFolder) -> Iterator[None]:
    """Write how the run ended, whatever happened, and turn system errors into sentences."""
    try:
        yield
    except BaseException as error:
        told = _told(error, folder)
        state = "stopped" if isinstance(error, Stopped | KeyboardInterrupt) else "failed"
        with suppress(OSError):  # a full disk, most likely: the message on the console is what counts
            folder.update(state=state, error=str(told), ended=time.strftime("%Y-%m-%dT%H:%M:%S%z"))
        if told is error:
            raise
        raise told from error
    folder.update(state="finished", ended=time.strftime("%Y-%m-%dT%H:%M:%S%z"))


def _told(error: BaseException, folder: RunFolder) -> BaseException:
    """Return a sentence for errors of the system, and the error itself for all others."""
    import torch

    if isinstance(error, torch.cuda.OutOfMemoryError):
        return GanforgeError(
            "The GPU's memory is full: set model.accumulate=2 (the same step in half the memory), lower "
            "data.batch_size, or use "
            "trainer.precision=bf16-mixed."
        )
    cause: BaseException | None = error
    while cause is not None:
        if (isinstance(cause, OSError) and cause.errno == errno.ENOSPC) or "No space left on device" in str(cause):
            return GanforgeError(
                f"No space left for '{folder.path}': free some, then repeat the command with resume=true; the "
                f"checkpoints "
                "written before are whole."
            )
        cause = cause.__cause__
    return error


def _processes(config: DictConfig) -> int:
    """Return how many processes to start on this machine, after checking that its devices are there."""
    import torch

    accelerator, devices = config.trainer.accelerator, config.trainer.devices
    cuda = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if accelerator not in ("auto", "cpu", "cuda", "gpu", "mps"):
        raise GanforgeError(f"trainer.accelerator must be one of auto, cpu, cuda, mps; got '{accelerator}'.")
    if accelerator in ("cuda", "gpu") and not cuda:
        raise GanforgeError(
            f"trainer.accelerator={accelerator} was asked for and torch {torch.__version__} sees no CUDA device "
            f"here: use "
            "trainer=cpu or trainer=auto, or check the driver with nvidia-smi."
        )
    on_cuda = cuda > 0 and accelerator in ("auto", "cuda", "gpu")
    if devices == "auto":
        return cuda if on_cuda else 1
    if not isinstance(devices, int) or devices < 1:
        raise GanforgeError(f"trainer.devices must be a whole number >= 1 or auto, got '{devices}'.")
    if on_cuda and devices > cuda:
        raise GanforgeError(
            f"trainer.devices={devices} were asked for and there are {cuda}: lower it, or use trainer.devices=auto."
        )
    return devices


def _train_here(config: DictConfig, folder: RunFolder) -> dict[str, float]:
    """Build everything and fit, in this process."""
    import torch
    from hydra.utils import instantiate
    from pytorch_lightning import Trainer

    from ganforge import rng
    from ganforge.distributed import GradientAveraging, rank
    from ganforge.loggers.table import TableLogger

    quieten()
    rng.seed_all(config.seed, "build")
    # Everything that can be refused without data is built before data is touched.
    model = instantiate(config.model)
    callbacks = _callbacks(config)
    loggers = [instantiate(entry) for entry in (config.logger or {}).values()]
    resume_from = _resume(config, folder, loggers, model)
    data = instantiate(config.data)
    data.splits()
    several = inside_a_launched_process()
    trainer = Trainer(
        accelerator=config.trainer.accelerator,
        devices=config.trainer.devices,
        num_nodes=config.trainer.num_nodes,
        precision=config.trainer.precision,
        deterministic=config.trainer.deterministic,
        benchmark=not config.trainer.deterministic,
        strategy=GradientAveraging() if several else "auto",
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
        logger.log_hyperparams(OmegaConf.to_container(config, resolve=True))
    _check_space(folder, model)
    _announce(config, folder, model, data, trainer)
    rng.seed_all(config.seed, "train", os.environ.get("RANK", os.environ.get("SLURM_PROCID", "0")))
    trainer.fit(model, datamodule=data, ckpt_path=resume_from, weights_only=True)
    if rank() == 0:
        folder.update(images_seen=model.images_seen)
    _raise_if_stopped(callbacks, model, config)
    scores = _scores(callbacks, folder)
    if rank() == 0:
        _farewell(config, folder, scores)
    if several and torch.distributed.is_initialized():
        torch.distributed.barrier()
    for logger in loggers:
        if isinstance(logger, TableLogger):
            logger.finalize("success")
    return scores


def _callbacks(config: DictConfig) -> list[Any]:
    """Build callbacks; evaluation only where metrics are chosen."""
    from hydra.utils import instantiate

    entries = dict(config.callbacks or {})
    if OmegaConf.select(config, "metrics.protocol._target_") is None:
        entries.pop("evaluate", None)
    return [instantiate(entry) for entry in entries.values() if entry is not None]


def _resume(config: DictConfig, folder: RunFolder, loggers: list[Any], model: Any) -> Path | None:
    """Return the checkpoint to go on from, and bring the logs back to its clock."""
    from ganforge.loggers.table import TableLogger
    from ganforge.loggers.wandb import ID_FILE

    if config.resume is False or (config.resume is True and not folder.has_checkpoint()):
        return None
    path, content = checkpoint_to_resume(folder, config.resume)
    state = content["ganforge"]
    if state["images_seen"] >= model.total_images:
        raise GanforgeError(
            f"'{path}' is at {state['images_seen']:,} images and total_kimg={config.total_kimg:g} is reached: raise "
            f"total_kimg."
        )
    if state.get("wandb_run_id") and not (folder.path / ID_FILE).exists():
        (folder.path / ID_FILE).write_text(state["wandb_run_id"])
    for logger in loggers:
        if isinstance(logger, TableLogger):
            logger.rewind(state["images_seen"])
    say(f"Going on from {path} at {state['images_seen']:,} images.")
    return path


def quieten() -> None:
    """Silence what Lightning says of itself; what is wrong is still told."""
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    for message in (
        ".*does not have many workers.*",  # images are in memory: whole batches are indexed
        ".*GPU available but not used.*",
        ".*isinstance.treespec, LeafSpec.*is deprecated.*",  # inside Lightning
    ):
        warnings.filterwarnings("ignore", message=message)


def _check_space(folder: RunFolder, model: Any) -> None:
    """Refuse to start where the checkpoints will not fit: weights, averages, Adam's two moments, kept four times."""
    size = sum(tensor.numel() * tensor.element_size() for tensor in model.state_dict().values())
    needed, free = 4 * 3 * size + 50_000_000, shutil.disk_usage(folder.path).free
    if free < needed:
        raise GanforgeError(
            f"'{folder.path}' has {free / 1e6:,.0f} MB free and the run's checkpoints need about {needed / 1e6:,.0f} "
            f"MB: make room, "
            "or choose another folder with paths.outputs=FOLDER."
        )


def _announce(config: DictConfig, folder: RunFolder, model: Any, data: Any, trainer: Any) -> None:
    players = ", ".join(
        f"{name} {sum(p.numel() for module in modules for p in module.parameters()):,}"
        for name, modules in model.players().items()
    )
    say(f"{config.name}: {players} parameters; {len(data.splits().train):,} training images.")
    device = str(trainer.strategy.root_device)
    say(
        f"{config.total_kimg:g} kimg on {device} ({config.trainer.precision}), seed {config.seed}; everything goes "
        f"to {folder.path}"
    )


def _raise_if_stopped(callbacks: list[Any], model: Any, config: DictConfig) -> None:
    from ganforge.callbacks.interrupt import Interrupt

    for callback in callbacks:
        if isinstance(callback, Interrupt) and callback.received and model.images_seen < model.total_images:
            raise Stopped(
                f"Stopped and saved at {model.images_seen:,} of {model.total_images:,} images. To go on, repeat the "
                f"command with "
                "resume=true.",
                128 + callback.received,
            )


def _scores(callbacks: list[Any], folder: RunFolder) -> dict[str, float]:
    """Return the last evaluation's values, and write them with their protocol."""
    from ganforge.callbacks.evaluate import Evaluate
    from ganforge.distributed import rank

    for callback in callbacks:
        if isinstance(callback, Evaluate):
            if rank() == 0:
                folder.update(scores=callback.last, best=callback.best, protocol=callback.tag)
            return callback.last
    return {}


def _farewell(config: DictConfig, folder: RunFolder, scores: dict[str, float]) -> None:
    """Say where everything is, what came out, and what to try next."""
    status = folder.status()
    say(f"\nDone: {folder.path}")
    for name, what in (
        ("samples/latest.png", "generated images, from the averaged generator"),
        ("curves.png", "losses and metrics against images seen"),
        ("metrics.csv", "every value logged"),
        ("checkpoints/last.ckpt", "everything needed to go on; best.ckpt is the one with the lowest FID"),
        ("config.yaml", "the composed configuration; run.json has versions and the command"),
    ):
        if (folder.path / name).exists():
            say(f"  {name:<24}{what}")
    if scores:
        best = status["best"]
        say(
            f"Scores ({status['protocol']}): {_format(scores)}; best FID {best['fid']:.4g} at "
            f"{best['images_seen']:,} images"
        )
    say("Next, for example:")
    base = " ".join(
        [
            "ganforge train",
            *(word for word in command_line()[2:] if not word.startswith(("-", "resume", "force"))),
        ]
    )
    say(f"  {base} seed={config.seed + 1}")
    say(
        f"  {base} total_kimg={config.total_kimg * 2:g} network.width=64"
        if "network" in config
        else f"  {base} total_kimg=500"
    )
    say(f"  {base} loss=minimax")


def _main() -> int:
    """Train the configuration file named on the command line: one of several processes."""
    config = OmegaConf.load(sys.argv[1])
    assert isinstance(config, DictConfig)
    try:
        train(config)
    except Stopped as stop:
        if os.environ.get("RANK") == "0":
            print(stop, file=sys.stderr)  # noqa: T201
        return stop.exit_code
    except GanforgeError as error:
        print(f"ganforge: {error}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(_main())

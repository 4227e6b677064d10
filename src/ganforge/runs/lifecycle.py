"""How a run begins and ends: what its folder's state means, whether its devices and disk are there, what went wrong."""

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from omegaconf import DictConfig

from ganforge.core.console import say
from ganforge.core.devices import choose_device
from ganforge.core.errors import GanforgeError, Pruned, Stopped, TakenOver
from ganforge.core.files import is_disk_full
from ganforge.core.launch import environment_rank
from ganforge.runs.folder import RunFolder
from ganforge.runs.start import RESUME_WORDS, check_settings, check_sources, makes_longer
from ganforge.runs.summary import format_scores

if TYPE_CHECKING:
    from torch import nn

__all__ = ["check_precision", "check_space", "claim", "in_one_sentence", "processes_wanted", "recorded"]

#: What ended a run, and the state that its folder keeps.
_ENDS = {Pruned: "pruned", Stopped: "stopped", KeyboardInterrupt: "stopped"}


def claim(config: DictConfig, folder: RunFolder) -> dict[str, float] | None:
    """Decide what an existing run folder means, and change nothing; return the scores of a run that is finished."""
    leads = environment_rank() == 0
    if leads:
        _require_own(folder)
    writer = folder.is_being_written() if leads else None
    if writer is not None:
        raise GanforgeError(f"{writer} is training this very run in '{folder.path}': wait for it, or stop it.")
    check_sources(config, folder)
    if config.force:
        return None
    check_settings(config, folder)
    is_finished = folder.status().get("state") == "finished"
    if is_finished and config.resume in RESUME_WORDS and not makes_longer(config, folder):
        return _already_finished(config, folder)
    if folder.has_checkpoint() and config.resume is False:
        raise GanforgeError(
            f"An unfinished run of this configuration is in '{folder.path}': add resume=true to go on, or "
            "force=true to delete it and start over."
        )
    return None


def _require_own(folder: RunFolder) -> None:
    """Refuse a folder that holds files and is no run's: a run writes there, and ``force=true`` replaces it whole."""
    names = {path.name for path in folder.path.iterdir()} if folder.path.is_dir() else set()
    others = sorted(name for name in names - {"train.log"} if not name.startswith("."))
    status = folder.status()
    if others and ("run.json" not in names or (status and "state" not in status)):
        raise GanforgeError(
            f"'{folder.path}' holds '{others[0]}' and is no run's folder: choose another one with paths.run=FOLDER."
        )


def _already_finished(config: DictConfig, folder: RunFolder) -> dict[str, float]:
    status = folder.status()
    if status.get("data") is not None and not config.data_changed:
        from ganforge.core.build import build
        from ganforge.runs.data_record import check_data

        ways = "force=true trains on the present ones, data_changed=true leaves the finished run as it is."
        check_data(status["data"], build(config.data, "data").splits(), folder.path, ways)
    say(f"This run is finished: {folder.path} ({status.get('images_seen', 0):,} images).")
    scores: dict[str, float] = status.get("scores", {})
    if scores:
        say(f"Scores ({status.get('protocol')}): {format_scores(scores)}")
    say("To train it again: force=true. For another one: seed=1, or any other change.")
    return scores


@contextmanager
def recorded(folder: RunFolder) -> Iterator[None]:
    """Write how the run ended, whatever happened, and turn system errors into sentences.

    A trial that another worker has taken over is that worker's: its folder is left as it is.
    """
    try:
        yield
    except TakenOver:
        raise
    except BaseException as error:
        reported = in_one_sentence(error, folder)
        state = next((state for kind, state in _ENDS.items() if isinstance(error, kind)), "failed")
        with suppress(OSError):  # a full disk, most likely: the message on the console is what counts
            folder.update(state=state, error=str(reported), ended=time.strftime("%Y-%m-%dT%H:%M:%S%z"))
            folder.settle()
        if reported is error:
            raise
        raise reported from error
    folder.update(state="finished", ended=time.strftime("%Y-%m-%dT%H:%M:%S%z"))
    folder.settle()


def in_one_sentence(error: BaseException, folder: RunFolder) -> BaseException:
    """Return a sentence for errors of the system, and the error itself for all others."""
    import torch

    if isinstance(error, torch.cuda.OutOfMemoryError):
        return GanforgeError(
            "The GPU's memory is full: set model.accumulate=2 (the same step in half the memory), lower "
            "data.batch_size, or use trainer.precision=bf16-mixed."
        )
    cause: BaseException | None = error
    while cause is not None:
        if is_disk_full(cause):
            return GanforgeError(
                f"No space left for '{folder.path}': free some, then repeat the command with resume=true; the "
                "checkpoints written before are whole."
            )
        cause = cause.__cause__
    return error


def processes_wanted(config: DictConfig) -> int:
    """Return how many processes to start on this machine, after checking that its devices are there."""
    import torch

    accelerator, devices = config.trainer.accelerator, config.trainer.devices
    cuda = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if accelerator in ("cuda", "gpu") and not cuda:
        raise GanforgeError(
            f"trainer.accelerator={accelerator} was asked for and torch {torch.__version__} sees no CUDA device "
            "here: use trainer=cpu or trainer=auto, or check the driver with nvidia-smi."
        )
    on_cuda = cuda > 0 and accelerator in ("auto", "cuda", "gpu")
    if devices == "auto":
        return cuda if on_cuda else 1
    assert isinstance(devices, int)
    if on_cuda and devices > cuda:
        raise GanforgeError(
            f"trainer.devices={devices} were asked for and there are {cuda}: lower it, or use trainer.devices=auto."
        )
    return devices


def check_precision(config: DictConfig) -> None:
    """Refuse a precision that the device would compute as another one.

    Raises:
        GanforgeError: for float16 without a CUDA device: Lightning would take bfloat16 and call it float16.
    """
    if config.trainer.precision == "16-mixed" and choose_device(config.trainer.accelerator).type != "cuda":
        raise GanforgeError(
            "trainer.precision=16-mixed needs a CUDA device: use trainer.precision=bf16-mixed here, or 32-true."
        )


def check_space(folder: RunFolder, model: "nn.Module") -> None:
    """Refuse to start where the checkpoints will not fit: weights, averages, Adam's two moments, kept four times."""
    size = sum(tensor.numel() * tensor.element_size() for tensor in [*model.parameters(), *model.buffers()])
    needed, free = 4 * 3 * size + 50_000_000, shutil.disk_usage(folder.path).free
    if free < needed:
        raise GanforgeError(
            f"'{folder.path}' has {free / 1e6:,.0f} MB free and the run's checkpoints need about {needed / 1e6:,.0f} "
            "MB: make room, or choose another folder with paths.outputs=FOLDER."
        )

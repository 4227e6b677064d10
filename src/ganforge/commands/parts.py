"""What a training is made of, built from its configuration."""

from collections.abc import Sequence
from logging import LogRecord
from typing import TYPE_CHECKING, NamedTuple

from omegaconf import DictConfig

from ganforge.core.build import build
from ganforge.core.console import kept
from ganforge.core.launch import inside_a_launched_process

if TYPE_CHECKING:
    from pytorch_lightning import Callback, Trainer
    from pytorch_lightning.loggers import Logger

    from ganforge.callbacks.loop import RunLoop
    from ganforge.data.module import DataModule
    from ganforge.models.base import AdversarialModule

__all__ = ["Parts", "build_callbacks", "build_parts", "build_trainer"]


class Parts(NamedTuple):
    """What a configuration gives before anything is written.

    Attributes:
        model: the training procedure.
        data: the data module, loaded.
        said: what the user was told meanwhile.
    """

    model: "AdversarialModule"
    data: "DataModule"
    said: Sequence[LogRecord]


def build_parts(config: DictConfig, processes: int) -> Parts:
    """Build model and data, and load the data: whatever can be refused is refused before anything is written."""
    from ganforge.core import rng
    from ganforge.core.workarounds import quiet_lightning
    from ganforge.models.preflight import part_sizes, preflight

    quiet_lightning()
    rng.seed_all(config.seed, "build")
    with kept() as said:
        model, data = build(config.model, "model"), build(config.data, "data")
        preflight(model, data.example(), part_sizes(data.batch_size, processes, model.accumulate))
        data.splits()
    return Parts(model, data, said)


def build_callbacks(config: DictConfig) -> tuple["RunLoop", list["Callback"]]:
    """Build callbacks; evaluation only where there is a protocol, and no values of callbacks that are not there."""
    from ganforge.callbacks.assemble import assemble

    entries = dict(config.callbacks or {})
    if not config.protocol:
        entries.pop("evaluate", None)
    return assemble(
        {key: build(entry, "callbacks") for key, entry in entries.items() if entry is not None and "_target_" in entry}
    )


def build_trainer(config: DictConfig, loggers: "list[Logger]", callbacks: list["Callback"]) -> "Trainer":
    """Build Lightning's Trainer, without what ganforge does itself."""
    from pytorch_lightning import Trainer

    from ganforge.core.workarounds import checkpoints_in_place, gradient_averaging

    return Trainer(
        accelerator=config.trainer.accelerator,
        devices=config.trainer.devices,
        num_nodes=config.trainer.num_nodes,
        precision=config.trainer.precision,
        deterministic=config.trainer.deterministic,
        benchmark=not config.trainer.deterministic,
        strategy=gradient_averaging() if inside_a_launched_process() else "auto",
        plugins=[checkpoints_in_place()],
        logger=loggers,
        callbacks=callbacks,
        max_epochs=-1,
        use_distributed_sampler=False,  # the batch order is sharded by ganforge.data
        num_sanity_val_steps=0,
        enable_progress_bar=False,
        enable_checkpointing=False,
        enable_model_summary=False,
    )

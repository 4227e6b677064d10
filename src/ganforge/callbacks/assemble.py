"""Assemble the Trainer's callbacks from the configuration's ``callbacks``."""

from collections.abc import Mapping
from typing import Any

import pytorch_lightning as pl

from ganforge.callbacks.checkpoint import Checkpoint
from ganforge.callbacks.evaluate import Evaluate
from ganforge.callbacks.health import Health
from ganforge.callbacks.interrupt import Interrupt
from ganforge.callbacks.loop import RunLoop
from ganforge.callbacks.progress import Progress
from ganforge.callbacks.pruning import Pruning
from ganforge.callbacks.samples import Curves, SampleGrid
from ganforge.core.errors import GanforgeError

__all__ = ["assemble"]

#: The class of each part, by its key under ``callbacks``.
_PARTS: dict[str, type] = {
    "health": Health,
    "evaluate": Evaluate,
    "samples": SampleGrid,
    "progress": Progress,
    "curves": Curves,
    "checkpoint": Checkpoint,
    "interrupt": Interrupt,
    "pruning": Pruning,
}


def assemble(built: Mapping[str, object]) -> tuple[RunLoop, list[pl.Callback]]:
    """Return the Trainer's callbacks: the run's loop with its parts, and the user's own Lightning callbacks.

    A part has its key; under other keys stand Lightning callbacks, which are called after the loop.

    Raises:
        GanforgeError: if a key and a class do not belong together.
    """
    parts: dict[str, Any] = {}
    others: list[pl.Callback] = []
    for key, one in built.items():
        kind = type(one).__name__
        if key in _PARTS and not isinstance(one, _PARTS[key]):
            raise GanforgeError(
                f"callbacks.{key} must be a {_PARTS[key].__name__} and is a {kind}: give it another key, or leave "
                f"callbacks.{key} as it was."
            )
        if key in _PARTS:
            parts[key] = one
        elif isinstance(one, pl.Callback):
            others.append(one)
        else:
            own = next((name for name, part in _PARTS.items() if isinstance(one, part)), None)
            raise GanforgeError(
                f"callbacks.{key} is a {kind} and no Lightning callback: "
                + (f"its key is callbacks.{own}." if own else "derive it from pytorch_lightning.Callback.")
            )
    return RunLoop(**parts), others

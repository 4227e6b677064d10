"""Roll back to the weights of a checkpoint, while the clock goes on."""

from collections.abc import Sequence
from pathlib import Path

from torch.optim import Optimizer

from ganforge.core.errors import GanforgeError
from ganforge.models.base import AdversarialModule
from ganforge.models.contents import require
from ganforge.runs.folder import load_checkpoint

__all__ = ["return_to"]


def return_to(module: AdversarialModule, optimizers: Sequence[Optimizer], path: Path, slow_down: float) -> int:
    """Load networks, averages, optimizers' and terms' states from a checkpoint, and lower all learning rates.

    The clock, the order of the images and the random state go on: images spent are spent, and the run meets other
    batches and latents than those before the failure. Learning rates are those of this moment times ``slow_down``, for
    the rest of the run, schedules included. Called on all ranks.

    Returns:
        The checkpoint's clock.

    Raises:
        GanforgeError: if the checkpoint is missing or damaged, or lacks something.
    """
    content = load_checkpoint(path)
    if content is None:
        raise GanforgeError(
            f"The checkpoint '{path}' to roll back to is missing or damaged: start over with force=true, or go on with "
            "callbacks.health.action=warn."
        )
    saved = require(content, "resume", path)
    rate_scale = module.rate_scale * slow_down
    module.load_state_dict(saved["state_dict"])
    change, module.rate_scale = rate_scale / module.rate_scale, rate_scale
    for optimizer, kept in zip(optimizers, saved["optimizer_states"], strict=True):
        optimizer.load_state_dict({**kept})
        for group in optimizer.param_groups:
            group["lr"] *= change
    module.ledger.clear()
    return saved["ganforge"]["images_seen"]

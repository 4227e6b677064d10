"""Which device a process computes on."""

import os
from typing import TYPE_CHECKING

from ganforge.core.errors import GanforgeError, first_line

if TYPE_CHECKING:
    import torch

__all__ = ["choose_device", "local_rank", "named_device"]


def local_rank() -> int:
    """Return this process's number among those of its machine; 0 without a launcher."""
    return int(os.environ.get("LOCAL_RANK", os.environ.get("SLURM_LOCALID", "0")))


def choose_device(accelerator: str = "auto") -> "torch.device":
    """Return the device of this process, as Lightning chooses it.

    Args:
        accelerator: ``auto`` takes CUDA, else Apple's MPS, else the CPU; or ``cuda`` (``gpu``), ``mps``, ``cpu``, which
            fall back on the CPU where they are not there.
    """
    import torch

    if accelerator in ("auto", "cuda", "gpu") and torch.cuda.is_available():
        return torch.device("cuda", local_rank())
    on_mps = accelerator in ("auto", "mps") and torch.backends.mps.is_available()
    return torch.device("mps" if on_mps else "cpu")


def named_device(name: str) -> "torch.device":
    """Return a device by torch's name, such as ``cuda:1``; ``auto`` as :func:`choose_device` does.

    Raises:
        GanforgeError: if it is not there.
    """
    import torch

    if name == "auto":
        return choose_device()
    try:
        return torch.empty(0, device=name).device
    except (RuntimeError, AssertionError) as error:
        raise GanforgeError(
            f"device={name} is not there ({first_line(error)}): use device=auto, or device=cpu."
        ) from error

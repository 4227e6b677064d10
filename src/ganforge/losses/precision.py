"""Full precision for losses, and statistics averaged over ranks."""

import torch
from torch import Tensor, distributed

__all__ = ["full_precision", "mean_over_ranks", "widen"]


def widen(tensor: Tensor) -> Tensor:
    """Return ``tensor`` in float32 if its type is narrower (bfloat16, float16), else itself."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))


def full_precision(tensor: Tensor) -> torch.autocast:
    """Return a context without autocast on ``tensor``'s device: for second derivatives, matrix products."""
    return torch.autocast(tensor.device.type, enabled=False)


def mean_over_ranks(value: Tensor) -> Tensor:
    """Return the average of ``value`` over all processes, detached: a term's state must be one on all ranks.

    Without a process group it is ``value`` itself. Every rank must call it the same number of times.
    """
    value = value.detach()
    if not (distributed.is_available() and distributed.is_initialized()):
        return value
    total = value.clone()
    distributed.all_reduce(total)
    return total / distributed.get_world_size()

"""Several processes: gradients averaged once a phase, without wrapping a network.

Wrapping the module in DistributedDataParallel fails for alternating players (the idle player's parameters look
unused), and searching the graph for unused parameters costs a traversal a step. Wrapping each network alone breaks
where a discriminator is called twice before one backward with batch norm, is frozen while the generator trains, or is
differentiated twice by a gradient penalty. So every phase does what NVIDIA's StyleGAN and R3GAN training loops do:
backward on every rank, then one all-reduce of the stepping player's flattened gradients. No hooks, no traversal, and
any procedure stays plain PyTorch; the price is that communication does not overlap with the backward pass.
"""

from collections.abc import Iterable
from typing import TypeVar

import torch
from torch import Tensor, distributed, nn

__all__ = [
    "agreed",
    "any_rank",
    "average_buffers",
    "average_gradients",
    "gather_rows",
    "group_device",
    "of_every_rank",
    "rank",
    "world_size",
]

Value = TypeVar("Value")


def world_size() -> int:
    """Return the number of processes, 1 without a process group."""
    return distributed.get_world_size() if distributed.is_available() and distributed.is_initialized() else 1


def rank() -> int:
    """Return this process's number, 0 without a process group."""
    return distributed.get_rank() if distributed.is_available() and distributed.is_initialized() else 0


def _average(tensors: list[Tensor]) -> None:
    """Replace each tensor by its mean over ranks, one all-reduce a dtype."""
    for dtype in sorted({tensor.dtype for tensor in tensors}, key=str):
        same = [tensor for tensor in tensors if tensor.dtype == dtype]
        flat = torch.cat([tensor.flatten() for tensor in same])
        distributed.all_reduce(flat)
        flat.div_(world_size())
        for tensor, mean in zip(same, flat.split([tensor.numel() for tensor in same]), strict=True):
            tensor.copy_(mean.view(tensor.shape))


def average_gradients(parameters: Iterable[nn.Parameter], *, fill: bool = False) -> None:
    """Average gradients over ranks, in place. A gradient that is ``None`` counts as zero if another rank has one.

    Args:
        parameters: whose gradients.
        fill: make gradients that are ``None`` zero, on one rank too.
    """
    parameters = [parameter for parameter in parameters if parameter.requires_grad]
    if fill or world_size() > 1:
        for parameter in parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
    if world_size() > 1:
        _average([parameter.grad for parameter in parameters if parameter.grad is not None])


def average_buffers(module: nn.Module) -> None:
    """Average floating-point buffers (batch-norm statistics) over ranks, in place, so that all ranks stay equal."""
    if world_size() > 1:
        _average([buffer for buffer in module.buffers() if buffer.is_floating_point() and buffer.numel()])


def any_rank(condition: bool, device: torch.device) -> bool:
    """Return on all ranks whether ``condition`` holds on any."""
    if world_size() == 1:
        return condition
    flag = torch.tensor([condition], device=device, dtype=torch.int32)
    distributed.all_reduce(flag)
    return bool(flag)


def agreed(values: dict[str, float], device: torch.device) -> dict[str, float]:
    """Return rank 0's values on all ranks, which have the same names: decisions made from them are the same."""
    if world_size() == 1:
        return values
    row = torch.tensor(list(values.values()), device=device, dtype=torch.float32)
    distributed.broadcast(row, src=0)
    return dict(zip(values, row.tolist(), strict=True))


def group_device() -> torch.device:
    """Return where tensors must lie for the group to gather them: NCCL knows no CPU, and Gloo no GPU."""
    if distributed.get_backend() == "nccl":
        return torch.device("cuda", torch.cuda.current_device())
    return torch.device("cpu")


def gather_rows(rows: Tensor) -> list[Tensor]:
    """Return every rank's ``(n_r, d)`` tensor, in rank order, on every rank; ``n_r`` may differ, and may be 0.

    They may lie anywhere, and come back to where this rank's ``rows`` lie.
    """
    if world_size() == 1:
        return [rows]
    home, rows = rows.device, rows.to(group_device())
    count = torch.tensor([len(rows)], device=rows.device)
    counts = [torch.zeros_like(count) for _ in range(world_size())]
    distributed.all_gather(counts, count)
    longest = int(max(counts))
    padded = rows.new_zeros(longest, *rows.shape[1:])
    padded[: len(rows)] = rows
    gathered = [torch.empty_like(padded) for _ in counts]
    distributed.all_gather(gathered, padded)
    return [part[: int(length)].to(home) for part, length in zip(gathered, counts, strict=True)]


def of_every_rank(value: Value) -> list[Value]:
    """Return every rank's object, in rank order, on every rank; a collective call, by pickling."""
    values = [value] * world_size()
    if world_size() > 1:
        distributed.all_gather_object(values, value)
    return values

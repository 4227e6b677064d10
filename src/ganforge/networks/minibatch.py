"""Minibatch discrimination (Salimans et al. 2016, arXiv:1606.03498): a sample is compared with its batch."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from ganforge.core.annotations import Count
from ganforge.core.errors import GanforgeError

__all__ = ["MinibatchDiscrimination", "MinibatchFactory"]


class MinibatchDiscrimination(nn.Module):
    """How close each sample is to the others of its batch, in ``kernels`` learned senses (section 3.2).

    Features ``f`` are mapped to ``M = f T``, ``kernels`` rows of ``kernel_dim``; each output is the sum over the other
    samples of ``exp(-|M_i - M_j|_1)`` along one row. Real and generated images come in batches of their own kind, so
    that a generator without diversity is detected. The sum grows with the batch: a network trained with one batch
    size (over processes: each its own; with ``model.accumulate``: each part) expects that size.

    Deviations: a sample's closeness to itself, 1, is left out, as in the authors' code. Columns of ``T`` begin with
    norm 1; that code keeps them there beside a learned scale, which it sets from a first batch. Its bias is that of the
    layer that follows.

    Args:
        features: length of the input.
        kernels: ``B``, outputs.
        kernel_dim: ``C``, dimensions in which one output measures distances.

    Raises:
        GanforgeError: if a size is below 1.
    """

    def __init__(self, features: Count, kernels: Count = 100, kernel_dim: Count = 5) -> None:
        super().__init__()
        for name, size in {"features": features, "kernels": kernels, "kernel_dim": kernel_dim}.items():
            if size < 1:
                raise GanforgeError(
                    f"network.discriminator.minibatch.{name} must be a whole number >= 1, got {size}; "
                    "network=dcgan has no minibatch discrimination."
                )
        self.kernels = kernels
        self.tensor = nn.Parameter(nn.functional.normalize(torch.randn(features, kernels, kernel_dim), dim=0))

    def forward(self, features: Tensor) -> Tensor:
        """Map ``(n, features)`` to ``(n, kernels)`` in [0, n - 1], in float32 or wider; memory grows as ``n ** 2``."""
        mapped = features @ self.tensor.flatten(1)
        mapped = mapped.to(torch.promote_types(mapped.dtype, torch.float32)).view(-1, *self.tensor.shape[1:])
        distances = (mapped[:, None] - mapped[None]).abs().sum(3)
        return distances.neg().exp().sum(1) - 1


MinibatchFactory = Callable[[int], MinibatchDiscrimination]

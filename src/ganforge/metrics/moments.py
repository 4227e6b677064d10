"""Means and covariances of features, as sums that can be stored."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from ganforge.core.errors import GanforgeError

__all__ = ["Moments", "gram"]


def gram(rows: Tensor) -> Tensor:
    """Return ``rows^T rows``, ``(d, d)`` of ``(n, d)``.

    On the CPU by NumPy, which computes one half of it: in half of torch's time.
    """
    if rows.device.type != "cpu":
        return rows.T @ rows
    values = rows.detach().numpy()
    return torch.from_numpy(values.T @ values)


@dataclass(frozen=True)
class Moments:
    """Sufficient statistics of features: what real images need to be stored of.

    Attributes:
        total: ``(d,)`` float64 sum.
        products: ``(d, d)`` float64 sum of outer products.
        count: number of images.
    """

    total: Tensor
    products: Tensor
    count: int

    @classmethod
    def of(cls, batches: Iterator[Tensor]) -> "Moments":
        """Accumulate ``(n, d)`` batches of features."""
        total, products, count = None, None, 0
        for batch in batches:
            features = batch.cpu().double() if batch.device.type == "mps" else batch.double()  # MPS has no float64
            total = features.sum(0) if total is None else total + features.sum(0)
            outer = gram(features)
            products = outer if products is None else products.add_(outer)
            count += len(batch)
        if total is None or products is None:
            raise GanforgeError("There are no real images to measure features of.")
        return cls(total, products, count)

    @property
    def mean(self) -> Tensor:
        """``(d,)`` float64."""
        return self.total / self.count

    @property
    def covariance(self) -> Tensor:
        """``(d, d)`` float64, unbiased."""
        return (self.products - torch.outer(self.total, self.mean)) / (self.count - 1)

"""Kernel distances: the squared maximum mean discrepancy of features under a polynomial kernel."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
import torch
from torch import Tensor

from ganforge.core.annotations import Bounds, Count, Whole
from ganforge.core.errors import GanforgeError
from ganforge.metrics.comparison import Comparison
from ganforge.metrics.directions import Better
from ganforge.metrics.inputs import exact, features

__all__ = ["FullKernelDistance", "KernelDistance", "mmd"]

#: Kernel values held at once.
BLOCK = 1 << 24


def _weighted_sum(first: Tensor, second: Tensor, weights: tuple[Tensor, Tensor], degree: int) -> Tensor:
    """Return ``(b,)`` sums of ``u_bi v_bj k(x_i, y_j)`` with ``k(x, y) = (x.y / d + 1)^degree``, block by block."""
    total = first.new_zeros(len(weights[0]))
    rows = max(1, BLOCK // len(second))
    for part, weight in zip(first.split(rows), weights[0].split(rows, 1), strict=True):
        kernel = (part @ second.T / first.shape[1] + 1) ** degree
        total += (weight @ kernel * weights[1]).sum(1)
    return total


def mmd(first: Tensor, second: Tensor, degree: int = 3, weights: tuple[Tensor, Tensor] | None = None) -> Tensor:
    """Return the unbiased estimate of the squared MMD (Gretton et al. 2012, equation 3; Bińkowski et al. 2018).

    Args:
        first: ``(n, d)``.
        second: ``(m, d)``.
        degree: of the kernel ``(x.y / d + 1)^degree``.
        weights: ``(b, n)`` and ``(b, m)``, how often rows count in each of ``b`` resamples; ``None`` is once, for
            ``b = 1``. A row is never paired with its own copies.

    Returns:
        ``(b,)`` float64.
    """
    first, second = exact(first), exact(second)
    if weights is None:
        weights = first.new_ones(1, len(first)), second.new_ones(1, len(second))
    cross = _weighted_sum(first, second, weights, degree) / (weights[0].sum(1) * weights[1].sum(1))
    within = torch.zeros_like(cross)
    for values, weight in zip((first, second), weights, strict=True):
        own = (values.square().sum(1) / values.shape[1] + 1) ** degree
        squares = weight.square()
        pairs = _weighted_sum(values, values, (weight, weight), degree) - squares @ own
        within += pairs / (weight.sum(1).square() - squares.sum(1))
    return within - 2 * cross


@dataclass(frozen=True)
class KernelDistance:
    """KID (Bińkowski et al. 2018): the mean over random subsets of the unbiased squared MMD.

    Subsets are those of torch-fidelity with the same seed, and so are the values: ``kid``, its standard deviation over
    subsets ``kid_std``, and ``kid_error = kid_std / sqrt(subsets)``. The error ignores that subsets overlap, so it is
    too small where they hold much of the samples: see :class:`~ganforge.metrics.intervals.KernelInterval`.

    Attributes:
        subsets: how many.
        subset_size: samples of each kind in one.
        degree: of the polynomial kernel.
        seed: of NumPy's generator that draws subsets; torch-fidelity's is 2020.
    """

    subsets: Count = 100
    subset_size: Annotated[int, Bounds(at_least=2)] = 1000
    degree: Count = 3
    seed: Whole = 2020
    needs: ClassVar[frozenset[str]] = frozenset({"real_features"})
    better: ClassVar[Better] = {"kid": "less"}

    def __post_init__(self) -> None:
        if self.subsets < 1 or self.subset_size < 2 or self.degree < 1:
            raise GanforgeError("KernelDistance: subsets and degree must be at least 1, subset_size at least 2.")

    def __call__(self, comparison: Comparison) -> dict[str, float]:
        """See :class:`~ganforge.metrics.comparison.Metric`."""
        fake = exact(features(comparison, minimum=self.subset_size))
        real = exact(features(comparison, "real_features", self.subset_size))
        generator = np.random.RandomState(self.seed)
        values = []
        for _ in range(self.subsets):
            chosen = [
                rows[torch.from_numpy(generator.choice(len(rows), self.subset_size, replace=False)).to(rows.device)]
                for rows in (fake, real)
            ]
            values.append(mmd(chosen[0], chosen[1], self.degree).item())
        deviation = float(np.std(values))
        return {"kid": float(np.mean(values)), "kid_std": deviation, "kid_error": deviation / self.subsets**0.5}


@dataclass(frozen=True)
class FullKernelDistance:
    """The unbiased squared MMD of all samples at once: ``kid_full``; no draw, least variance.

    Costs ``(n + m)^2 d`` operations and memory for one block of kernel values.

    Attributes:
        degree: of the polynomial kernel.
    """

    degree: Count = 3
    needs: ClassVar[frozenset[str]] = frozenset({"real_features"})
    better: ClassVar[Better] = {"kid_full": "less"}

    def __call__(self, comparison: Comparison) -> dict[str, float]:
        """See :class:`~ganforge.metrics.comparison.Metric`."""
        return {"kid_full": mmd(features(comparison), features(comparison, "real_features"), self.degree).item()}

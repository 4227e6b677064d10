"""Fréchet distances between Gaussians fitted to features, exactly and extrapolated to infinitely many samples."""

from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, ClassVar

import torch
from torch import Tensor

from ganforge.core.annotations import Bounds, ProperFraction
from ganforge.core.errors import GanforgeError
from ganforge.core.rng import torch_generator
from ganforge.metrics.comparison import Comparison
from ganforge.metrics.directions import Better
from ganforge.metrics.inputs import exact, features, warn_of_few
from ganforge.metrics.moments import Moments, gram

__all__ = ["FrechetDistance", "FrechetInfinity", "Reference", "moments_of"]


class Reference:
    """A Gaussian fitted to real features, from which the Fréchet distance of many generated sets is measured.

    The trace of ``sqrt(S1 S2)`` is the sum of the square roots of the eigenvalues of ``A^T S2 A``, for any ``A`` with
    ``S1 = A A^T``: a symmetric problem, with ``A`` from Cholesky's decomposition, and no matrix square root. Of ``n``
    generated samples with ``n < d`` the same eigenvalues come from the ``n x n`` matrix ``X S1 X^T`` with ``X`` the
    centred samples over ``sqrt(n - 1)``. Eigenvalues that rounding alone makes differ from 0, beyond the rank that the
    numbers of samples allow, are left out. Everything is float64.

    Args:
        real: moments, or ``(n, d)`` features.
        device: where to compute; ``None`` is where ``real`` is.
    """

    def __init__(self, real: Moments | Tensor, device: torch.device | None = None) -> None:
        self._rows: Tensor | None = None
        self._covariance: Tensor | None = None
        device = torch.device("cpu") if device is not None and device.type == "mps" else device  # no float64 there
        if isinstance(real, Moments):
            self.mean, self.count = exact(real.mean.to(device)), real.count
            self._covariance = exact(real.covariance.to(device))
            self.trace = self._covariance.trace()
        else:
            values = exact(real.to(device))
            self.mean, self.count = values.mean(0), len(values)
            rows = (values - self.mean) / (self.count - 1) ** 0.5
            self.trace = rows.square().sum()
            if self.count < rows.shape[1]:
                self._rows = rows
            else:
                self._covariance = gram(rows)

    @cached_property
    def _factor(self) -> Tensor:
        """``(d, r)``, the covariance's ``A`` with ``S1 = A A^T``."""
        if self._covariance is None:
            assert self._rows is not None
            transposed: Tensor = self._rows.T
            return transposed
        lower: Tensor
        lower, failed = torch.linalg.cholesky_ex(self._covariance)
        if not failed:
            return lower
        # A feature that never varies, or fewer samples than features: the covariance is singular.
        values, vectors = torch.linalg.eigh(self._covariance)
        keep = values > values[-1] * len(values) * torch.finfo(values.dtype).eps
        factor: Tensor = vectors[:, keep] * values[keep].sqrt()
        return factor

    def distance(self, fake: Tensor, weights: Tensor | None = None) -> float:
        """Return the squared Fréchet distance (Heusel et al. 2017, equation 6) to ``(n, d)`` features.

        Args:
            fake: generated.
            weights: ``(n,)`` how often each row counts, summing to the sample size; ``None`` is once. So a bootstrap
                resample costs no copy.
        """
        values = exact(fake)
        weights = values.new_ones(len(values)) if weights is None else weights.to(values)
        total = weights.sum()
        mean = weights @ values / total
        present = weights > 0
        rows = (values[present] - mean) * (weights[present] / (total - 1)).sqrt()[:, None]
        rank = min(self.count - 1, len(rows) - 1)
        roots = torch.linalg.eigvalsh(self._product(rows))[-rank:] if rank else rows.new_zeros(1)
        shift = (mean - self.mean).square().sum() + self.trace + rows.square().sum()
        return float(shift - 2 * roots.clamp(min=0).sqrt().sum())

    def _product(self, rows: Tensor) -> Tensor:
        """Return the smallest symmetric matrix at hand with the non-zero eigenvalues of ``S1 S2``."""
        count, dimensions = rows.shape
        if self._rows is not None:
            cross = rows @ self._factor
            return gram(cross.T if count < self.count else cross)
        if count < dimensions:
            assert self._covariance is not None
            return rows @ self._covariance @ rows.T
        return self._factor.T @ gram(rows) @ self._factor


def moments_of(comparison: Comparison) -> Moments:
    """Return the real images' moments.

    Raises:
        GanforgeError: if they are missing or not finite.
    """
    moments = comparison.real_moments
    if moments is None or moments.count < 2:
        held = "there are none" if moments is None else f"these are of {moments.count}"
        raise GanforgeError(f"A Fréchet distance needs the moments of at least 2 real images, and {held}: give more.")
    if not moments.products.isfinite().all():
        raise GanforgeError(
            "The real images' features are not finite, so that no Fréchet distance can be computed: the extractor's "
            "weights must be damaged; fetch them again."
        )
    return moments


@dataclass(frozen=True)
class FrechetDistance:
    """FID (Heusel et al. 2017) between the real images' moments and the generated features: ``fid``.

    Equal to torch-fidelity's and torchmetrics' values. With fewer samples than features it is finite and strongly
    biased upwards, with a :class:`~ganforge.metrics.inputs.FewSamplesWarning`.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"real_moments"})
    better: ClassVar[Better] = {"fid": "less"}

    def __call__(self, comparison: Comparison) -> dict[str, float]:
        """See :class:`~ganforge.metrics.comparison.Metric`."""
        fake, moments = features(comparison), moments_of(comparison)
        warn_of_few("FID", fake.shape[1], real=moments.count, generated=len(fake))
        return {"fid": Reference(moments, fake.device).distance(fake)}


@dataclass(frozen=True)
class FrechetInfinity:
    """FID with infinitely many generated samples (Chong & Forsyth 2020, section 4).

    FID is computed at several numbers of samples ``n`` and a straight line in ``1 / n`` fitted by least squares;
    ``fid_infinity`` is where it meets 0, ``fid_infinity_fit`` the share of variance that the line explains: much below
    1 means that the samples are too few for the extrapolation. Deviation: subsets are drawn without replacement from
    the generated samples at hand; the paper's quasi-random (Sobol) latents are the sampler's matter.

    Attributes:
        sizes: how many numbers of samples, evenly spaced.
        smallest: the smallest of them, as a share of the samples: the paper's 5,000 of 50,000.
    """

    sizes: Annotated[int, Bounds(at_least=3)] = 15
    smallest: ProperFraction = 0.1
    needs: ClassVar[frozenset[str]] = frozenset({"real_moments"})
    better: ClassVar[Better] = {"fid_infinity": "less", "fid_infinity_fit": "greater"}

    def __post_init__(self) -> None:
        if self.sizes < 3 or not 0 < self.smallest < 1:
            raise GanforgeError("FrechetInfinity: sizes must be at least 3 and smallest between 0 and 1.")

    def __call__(self, comparison: Comparison) -> dict[str, float]:
        """See :class:`~ganforge.metrics.comparison.Metric`."""
        fake, moments = features(comparison, minimum=10 * self.sizes), moments_of(comparison)
        warn_of_few("FID at infinity", fake.shape[1], real=moments.count, generated=int(self.smallest * len(fake)))
        reference = Reference(moments, fake.device)
        counts = torch.linspace(max(2, self.smallest * len(fake)), len(fake), self.sizes).long().tolist()
        values = []
        for number, count in enumerate(counts):
            generator = torch_generator(comparison.seed, "fid-infinity", number)
            rows = torch.randperm(len(fake), generator=generator)[:count]
            values.append(reference.distance(fake[rows.to(fake.device)]))
        return _extrapolate(counts, values)


def _extrapolate(counts: list[int], values: list[float]) -> dict[str, float]:
    inverse, measured = 1 / torch.tensor(counts, dtype=torch.float64), torch.tensor(values, dtype=torch.float64)
    design = torch.stack([torch.ones_like(inverse), inverse], 1)
    line = torch.linalg.lstsq(design, measured).solution
    unexplained = (measured - design @ line).square().sum() / (measured - measured.mean()).square().sum()
    return {"fid_infinity": float(line[0]), "fid_infinity_fit": 1 - float(unexplained)}

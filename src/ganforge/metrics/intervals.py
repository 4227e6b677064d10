"""Intervals: the uncertainty of a distance from the sampling of images."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import hypot
from typing import Annotated, ClassVar, NamedTuple

import torch
from torch import Tensor

from ganforge.core.annotations import Bounds, Count, ProperFraction
from ganforge.core.errors import GanforgeError
from ganforge.core.rng import sub_seed, torch_generator
from ganforge.metrics.comparison import Comparison
from ganforge.metrics.directions import Better
from ganforge.metrics.frechet import FrechetDistance, Reference, moments_of
from ganforge.metrics.inputs import exact, features, warn_of_few
from ganforge.metrics.kernel import KernelDistance, mmd
from ganforge.metrics.protocol import Protocol

__all__ = [
    "FrechetInterval",
    "Interval",
    "KernelInterval",
    "bootstrap",
    "frechet_interval",
    "kernel_interval",
    "repeats_interval",
]


class Interval(NamedTuple):
    """A value with its uncertainty.

    Attributes:
        value: of all samples, or the mean of repeats.
        low: lower end.
        high: upper end.
        error: standard error.
        seed: of the first resample's generator; ``None`` for repeats.
    """

    value: float
    low: float
    high: float
    error: float
    seed: int | None


def _centred(value: float, resampled: Tensor, level: float, seed: int) -> Interval:
    """Return the percentile interval of resampled values about their mean, moved to the value."""
    tails = torch.tensor([(1 - level) / 2, (1 + level) / 2], dtype=torch.float64)
    low, high = (resampled - resampled.mean()).quantile(tails).tolist()
    return Interval(value, value + low, value + high, float(resampled.std()), seed)


def _counts(rows: int, resamples: int, seed: int, purpose: str) -> Iterator[Tensor]:
    """Yield how often each row is drawn in each resample with replacement."""
    for number in range(resamples):
        drawn = torch.randint(rows, (rows,), generator=torch_generator(seed, purpose, number))
        yield torch.bincount(drawn, minlength=rows).double()


def frechet_interval(reference: Reference, fake: Tensor, resamples: int, level: float, seed: int) -> Interval:
    """Bootstrap FID over generated samples; the real side is taken as known.

    FID of a resample is biased upwards, since it holds fewer different samples: the plain percentile interval lies
    above the value that it should hold. So its resamples are moved to have the value as their mean. A resample is a
    vector of weights, one weighted covariance and one symmetric eigenvalue problem; nothing is copied.

    Args:
        reference: the real Gaussian.
        fake: ``(n, d)``.
        resamples: how many; the ends of a 95 % interval of 20 are nearly its extremes.
        level: nominal coverage.
        seed: resample ``i`` uses ``torch_generator(seed, "fid-bootstrap", i)``.
    """
    counts = _counts(len(fake), resamples, seed, "fid-bootstrap")
    values = [reference.distance(fake, weights) for weights in counts]
    resampled = torch.tensor(values, dtype=torch.float64)
    return _centred(reference.distance(fake), resampled, level, sub_seed(seed, "fid-bootstrap", 0))


def kernel_interval(real: Tensor, fake: Tensor, resamples: int, level: float, seed: int, degree: int = 3) -> Interval:
    """Bootstrap the unbiased squared MMD over both generated and real features.

    All resamples share one pass over the kernel values; a sample is never paired with its own copies, which keeps each
    resample unbiased.

    Args:
        real: ``(m, d)``.
        fake: ``(n, d)``.
        resamples: how many.
        level: nominal coverage.
        seed: resample ``i`` uses ``torch_generator(seed, "kid-bootstrap-fake", i)``, and ``-real``.
        degree: of the kernel.
    """
    fake, real = exact(fake), exact(real)
    weights = []
    for kind, rows in (("fake", fake), ("real", real)):
        drawn = torch.stack(list(_counts(len(rows), resamples, seed, f"kid-bootstrap-{kind}"))).to(rows.device)
        weights.append(torch.cat([torch.ones_like(drawn[:1]), drawn]))
    values = mmd(fake, real, degree, (weights[0], weights[1])).cpu()
    return _centred(values[0].item(), values[1:], level, sub_seed(seed, "kid-bootstrap-fake", 0))


def repeats_interval(values: Sequence[float], level: float = 0.95) -> Interval:
    """Return Student's interval of the mean of independent repeats: other sample sets, or other training runs.

    Raises:
        GanforgeError: if there are fewer than two.
    """
    from scipy.stats import t as student

    if len(values) < 2:
        raise GanforgeError(f"An interval over repeats needs at least 2 values, got {len(values)}: draw another set.")
    repeats = torch.tensor(values, dtype=torch.float64)
    mean, error = float(repeats.mean()), float(repeats.std()) / len(values) ** 0.5
    reach = float(student.ppf((1 + level) / 2, len(values) - 1)) * error
    return Interval(mean, mean - reach, mean + reach, error, None)


def _require(owner: object, resamples: int, level: float) -> None:
    if resamples < 2 or not 0 < level < 1:
        raise GanforgeError(f"{type(owner).__name__}: resamples must be at least 2 and level between 0 and 1.")


@dataclass(frozen=True)
class FrechetInterval:
    """Bootstrap interval of FID over generated samples: ``fid_low``, ``fid_high`` and ``fid_error``.

    See :func:`frechet_interval`. The protocol's seed gives the resamples.

    Attributes:
        resamples: how many; each costs as much as FID.
        level: nominal coverage.
    """

    resamples: Annotated[int, Bounds(at_least=2)] = 20
    level: ProperFraction = 0.95
    needs: ClassVar[frozenset[str]] = frozenset({"real_moments"})
    better: ClassVar[Better] = {}

    def __post_init__(self) -> None:
        _require(self, self.resamples, self.level)

    def __call__(self, comparison: Comparison) -> dict[str, float]:
        """See :class:`~ganforge.metrics.comparison.Metric`."""
        fake, moments = features(comparison), moments_of(comparison)
        warn_of_few("FID's interval", fake.shape[1], real=moments.count, generated=len(fake))
        found = frechet_interval(Reference(moments, fake.device), fake, self.resamples, self.level, comparison.seed)
        return {"fid_low": found.low, "fid_high": found.high, "fid_error": found.error}


@dataclass(frozen=True)
class KernelInterval:
    """Bootstrap interval of the full-sample KID: ``kid_full_low``, ``kid_full_high`` and ``kid_full_error``.

    See :func:`kernel_interval`. The protocol's seed gives the resamples.

    Attributes:
        resamples: how many; they cost little beside the kernel values.
        level: nominal coverage.
        degree: of the polynomial kernel.
    """

    resamples: Annotated[int, Bounds(at_least=2)] = 200
    level: ProperFraction = 0.95
    degree: Count = 3
    needs: ClassVar[frozenset[str]] = frozenset({"real_features"})
    better: ClassVar[Better] = {}

    def __post_init__(self) -> None:
        _require(self, self.resamples, self.level)

    def __call__(self, comparison: Comparison) -> dict[str, float]:
        """See :class:`~ganforge.metrics.comparison.Metric`."""
        real, fake = features(comparison, "real_features"), features(comparison)
        found = kernel_interval(real, fake, self.resamples, self.level, comparison.seed, self.degree)
        return {"kid_full_low": found.low, "kid_full_high": found.high, "kid_full_error": found.error}


def bootstrap(protocol: Protocol, comparison: Comparison, resamples: int) -> dict[str, tuple[float, float]]:
    """Return bootstrap intervals of a protocol's FID and KID, those that it measures, by the value's name.

    They cover the sampling of images alone, not the variation between training runs. KID, a mean
    over random subsets, estimates the MMD of all samples and is off by the choice of subsets besides: the full-sample
    interval is moved to KID, and to the square of either side is added that of the subsets' normal interval.
    """
    found = {}
    for metric in protocol.metrics.values():
        if isinstance(metric, FrechetDistance):
            values = FrechetInterval(resamples)(comparison)
            found["fid"] = values["fid_low"], values["fid_high"]
        elif isinstance(metric, KernelDistance):
            found["kid"] = _subset_interval(metric, comparison, resamples)
    return found


def _subset_interval(metric: KernelDistance, comparison: Comparison, resamples: int) -> tuple[float, float]:
    """Return the ends of KID's interval; see :func:`bootstrap`."""
    own = metric(comparison)
    real, fake = features(comparison, "real_features"), features(comparison)
    full = kernel_interval(real, fake, resamples, 0.95, comparison.seed, metric.degree)
    subsets = 1.96 * own["kid_error"]
    return own["kid"] - hypot(full.value - full.low, subsets), own["kid"] + hypot(full.high - full.value, subsets)

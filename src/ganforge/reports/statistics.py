"""Intervals over seeds, and tests between variants that hold with few seeds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

__all__ = ["LEVEL", "Estimate", "Pair", "compare_pair", "compare_pairs", "estimate", "holm"]

#: Coverage of every interval; variants differ significantly where the corrected p is at most one minus this.
LEVEL = 0.95


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds.

    Attributes:
        mean: of the values.
        low, high: Student's t interval for the mean; ``None`` with one value.
        deviation: sample standard deviation, divided by n - 1; ``None`` with one value.
        n: number of values.
    """

    mean: float
    low: float | None
    high: float | None
    deviation: float | None
    n: int

    @property
    def margin(self) -> float | None:
        """Half the interval's width."""
        return None if self.high is None else self.high - self.mean


def estimate(values: Sequence[float], level: float = LEVEL) -> Estimate:
    """Return mean and interval, ``mean +- t(level, n - 1) s / sqrt(n)``: exact if the values are normal."""
    from scipy import stats

    data = np.asarray(values, dtype=np.float64)
    mean, n = float(data.mean()), len(data)
    if n < 2:
        return Estimate(mean, None, None, None, n)
    deviation = float(data.std(ddof=1))
    margin = float(stats.t.ppf((1 + level) / 2, n - 1)) * deviation / n**0.5
    return Estimate(mean, mean - margin, mean + margin, deviation, n)


@dataclass(frozen=True)
class Pair:
    """Two variants compared on one value.

    Attributes:
        first, second: labels.
        test: ``paired t`` or ``Welch's t``; ``None`` where there is nothing to test, see ``reason``.
        difference: first's mean minus second's.
        low, high: interval of the difference, not corrected for other comparisons.
        p: two-sided.
        adjusted: ``p`` after Holm's correction within its family.
        n: pairs, or values of both variants.
        reason: why there is no test.
    """

    first: str
    second: str
    test: str | None
    difference: float
    low: float | None = None
    high: float | None = None
    p: float | None = None
    adjusted: float | None = None
    n: tuple[int, ...] = ()
    reason: str = ""

    @property
    def is_significant(self) -> bool:
        """Whether they differ significantly by the corrected test."""
        return self.adjusted is not None and self.adjusted <= 1 - LEVEL


def compare_pair(
    first: tuple[str, Mapping[int | str, float]], second: tuple[str, Mapping[int | str, float]], level: float = LEVEL
) -> Pair:
    """Test whether two variants' means differ; each is a label and its values by seed.

    With the same seeds on both sides: the paired t test (equal seeds share the order of the data and, where networks
    are equal, the initial weights, and what they share cancels). Not Wilcoxon's signed-rank test: its least two-sided p
    with n pairs is 2 / 2**n, so with fewer than six seeds it cannot reach 0.05 whatever the values are. With other
    seeds: Welch's t test, which assumes no equal variances.
    """
    from scipy import stats

    (label, values), (other_label, other_values) = first, second
    paired = values.keys() == other_values.keys()
    a = np.array([values[seed] for seed in values], dtype=np.float64)
    b = np.array([other_values[seed] for seed in (values if paired else other_values)], dtype=np.float64)
    difference = float(a.mean() - b.mean())
    n = (len(a),) if paired else (len(a), len(b))
    if min(n) < 2:
        return Pair(label, other_label, None, difference, n=n, reason="one seed is too few to test")
    spread = np.ptp(a - b) if paired else max(np.ptp(a), np.ptp(b))
    if spread <= 1e-12 * max(np.abs(a).max(), np.abs(b).max()):
        return Pair(
            label, other_label, None, difference, n=n, reason="seeds do not vary, so there is nothing to test by"
        )
    result = stats.ttest_rel(a, b) if paired else stats.ttest_ind(a, b, equal_var=False)
    interval = result.confidence_interval(level)
    test = "paired t" if paired else "Welch's t"
    return Pair(
        label, other_label, test, difference, float(interval.low), float(interval.high), float(result.pvalue), n=n
    )


def holm(p: Sequence[float]) -> list[float]:
    """Return p values corrected by Holm's step-down method (Holm 1979), which holds the family-wise error rate.

    In increasing order the i-th of m (from 0) is multiplied by m - i; none may fall below the one before or exceed 1.
    """
    adjusted, running = [0.0] * len(p), 0.0
    for rank, index in enumerate(sorted(range(len(p)), key=p.__getitem__)):
        running = max(running, min(1.0, (len(p) - rank) * p[index]))
        adjusted[index] = running
    return adjusted


def compare_pairs(values: Mapping[str, Mapping[int | str, float]]) -> list[Pair]:
    """Compare every two variants, and correct over all of these tests; least corrected p first.

    Args:
        values: by variant's label, its values by seed.
    """
    labels = [label for label, by_seed in values.items() if by_seed]
    pairs = [
        compare_pair((first, values[first]), (second, values[second]))
        for number, first in enumerate(labels)
        for second in labels[number + 1 :]
    ]
    tested = [pair for pair in pairs if pair.p is not None]
    untested = [pair for pair in pairs if pair.p is None]
    corrected = holm([pair.p for pair in tested if pair.p is not None])
    done = [replace(pair, adjusted=adjusted) for pair, adjusted in zip(tested, corrected, strict=True)]
    return sorted(done, key=lambda pair: (pair.adjusted, pair.p)) + untested

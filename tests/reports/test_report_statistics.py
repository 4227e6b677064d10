"""Intervals, tests and correction against closed forms and examples done by hand."""

import numpy as np
import pytest
from scipy import stats

from ganforge.reports.statistics import compare_pair, compare_pairs, estimate, holm


def test_interval_of_one_two_three():
    found = estimate([1.0, 2.0, 3.0])
    assert (found.mean, found.deviation, found.n) == (2.0, 1.0, 3)
    # t(0.975, 2) = 4.30265, over the square root of 3.
    assert found.margin == pytest.approx(4.302652729911275 / 3**0.5)
    assert (found.low, found.high) == pytest.approx((2 - found.margin, 2 + found.margin))


def test_interval_is_scipys():
    data = [3.1, 2.7, 9.4, 5.5, 4.2]
    expected = stats.t.interval(0.9, 4, loc=np.mean(data), scale=stats.sem(data))
    found = estimate(data, level=0.9)
    assert (found.low, found.high) == pytest.approx(expected)


def test_interval_covers_as_often_as_it_says():
    draws = np.random.default_rng(0).normal(7.0, 2.0, (1500, 4))
    found = [estimate(row) for row in draws]
    covered = np.mean([each.low <= 7.0 <= each.high for each in found])
    assert 0.935 <= covered <= 0.965


def test_one_value_has_no_interval():
    found = estimate([4.0])
    assert (found.mean, found.low, found.high, found.deviation, found.margin) == (4.0, None, None, None, None)


def test_paired_t_by_its_formula_and_by_seed_not_by_order():
    first, second = {1: 10.0, 2: 13.0, 3: 9.0}, {3: 18.5, 1: 20.5, 2: 23.0}
    pair = compare_pair(("a", first), ("b", second))
    differences = np.array([-10.5, -10.0, -9.5])
    t = differences.mean() / (differences.std(ddof=1) / 3**0.5)
    assert pair.test == "paired t"
    assert pair.n == (3,)
    assert pair.difference == pytest.approx(-10.0)
    assert pair.p == pytest.approx(2 * stats.t.sf(abs(t), 2))
    assert (pair.low, pair.high) == pytest.approx((-10 - 4.302652729911275 * 0.5 / 3**0.5, -8.757930))


def test_other_seeds_make_it_welchs_by_its_formula():
    first, second = {1: 1.0, 2: 2.0, 3: 3.0}, {4: 4.0, 5: 9.0, 6: 5.0, 7: 8.0}
    pair = compare_pair(("a", first), ("b", second))
    a, b = 1.0 / 3, np.var([4, 9, 5, 8], ddof=1) / 4
    t = (2 - 6.5) / (a + b) ** 0.5
    freedom = (a + b) ** 2 / (a**2 / 2 + b**2 / 3)
    assert pair.test == "Welch's t"
    assert pair.n == (3, 4)
    assert pair.p == pytest.approx(2 * stats.t.sf(abs(t), freedom))


@pytest.mark.parametrize(
    ("first", "second", "reason"),
    [
        ({1: 3.0}, {1: 4.0}, "one seed is too few"),
        ({1: 3.0, 2: 3.0}, {3: 4.0}, "one seed is too few"),
        ({1: 3.0, 2: 3.0}, {1: 4.0, 2: 4.0}, "do not vary"),
        ({1: 3.0, 2: 4.0}, {1: 3.0, 2: 4.0}, "do not vary"),
    ],
)
def test_what_cannot_be_tested_is_not(first, second, reason):
    pair = compare_pair(("a", first), ("b", second))
    assert pair.test is None
    assert pair.p is None
    assert not pair.is_significant
    assert reason in pair.reason


def test_holm_by_hand():
    # In order: 0.005 * 4, 0.01 * 3, 0.03 * 2, and 0.04 * 1 raised to the one before.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.6]) == [1.0, 1.0]
    assert holm([0.02]) == [0.02]
    assert holm([]) == []


def test_correction_counts_the_tests_done_and_no_others():
    values = {
        "a": {1: 1.0, 2: 1.1, 3: 1.2},
        "b": {1: 5.0, 2: 5.3, 3: 5.1},
        "c": {1: 9.0, 2: 9.1, 3: 9.3},
        "single": {1: 4.0},
        "unmeasured": {},
    }
    pairs = compare_pairs(values)
    tested = [pair for pair in pairs if pair.test]
    assert len(pairs) == 6
    assert [pair.adjusted for pair in tested] == pytest.approx(holm([pair.p for pair in tested]))
    assert len(tested) == 3
    assert [pair.adjusted for pair in tested] == sorted(pair.adjusted for pair in tested)
    assert pairs[-1].reason

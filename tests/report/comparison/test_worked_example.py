"""Satterthwaite's degrees of freedom, and the intervals that follow, worked out by hand."""

import numpy as np
import pytest
from scipy import stats

from report.comparison.paired import Part, paired, satterthwaite
from report.comparison.statistics import average, family

# Four data and three seeds against three seeds, whose means are 3, 4, 8 and 1, 1, 4.
A = np.array([[1.0, 2, 4, 5], [2.0, 3, 5, 6], [5.0, 8, 9, 10]])
B = np.array([[0.0, 1, 1, 2], [1.0, 0, 1, 2], [3.0, 4, 4, 5]])


def test_satterthwaite_by_hand():
    found = paired(A, B)
    # Per datum 8/3 − 4/3, 13/3 − 5/3, 6 − 2, 7 − 3: mean 3, squares sum to 4.888…, over 3 and 4.
    data = (np.array([4 / 3, 8 / 3, 4, 4]).var(ddof=1)) / 4
    seeds_a, seeds_b = 7 / 3, 3 / 3  # variances 7 and 3 of three run means each
    assert data == pytest.approx(0.4074074)
    variance = data + seeds_a + seeds_b
    freedom = variance**2 / (data**2 / 3 + seeds_a**2 / 2 + seeds_b**2 / 2)
    assert freedom == pytest.approx(4.2694, abs=1e-4)
    assert (found.mean, found.error, found.total.freedom) == pytest.approx(
        (3, variance**0.5, freedom)
    )
    t = 3 / variance**0.5
    assert found.p == pytest.approx(2 * stats.t.sf(t, freedom))
    assert found.half_width(0.9) == pytest.approx(stats.t.ppf(0.95, freedom) * variance**0.5)
    assert found.seeds_too


def test_the_freedom_of_a_sum_lies_between_the_least_and_all():
    """It is all of it where variances are in proportion to freedoms, and the least's if it alone
    varies; without any variance it is 1, the least that there is."""
    generator = np.random.default_rng(0)
    for _ in range(100):
        freedoms = generator.integers(1, 40, generator.integers(1, 4))
        variances = generator.exponential(size=len(freedoms))
        whole = satterthwaite([Part(v, n) for v, n in zip(variances, freedoms, strict=True)])
        assert whole.variance == pytest.approx(variances.sum())
        assert min(freedoms) - 1e-9 <= whole.freedom <= sum(freedoms) + 1e-9
        even = satterthwaite([Part(0.3 * n, n) for n in freedoms])
        assert even.freedom == pytest.approx(sum(freedoms))
        alone = satterthwaite([Part(0.0, 5), *(Part(2.0, n) for n in freedoms[:1])])
        assert alone == (2.0, freedoms[0])
        assert satterthwaite([Part(0.0, int(n)) for n in freedoms]) == (0.0, 1.0)


@pytest.mark.parametrize("which", ["a", "b"])
def test_seeds_on_one_side_alone_count_there(which):
    one, other = (A, B[:1]) if which == "a" else (A[:1], B)
    found = paired(one, other)
    d = one.mean(0) - other.mean(0)
    parts = [(d.var(ddof=1) / 4, 3), ((7 if which == "a" else 3) / 3, 2)]
    variance = sum(v for v, _ in parts)
    freedom = variance**2 / sum(v**2 / n for v, n in parts)
    assert (found.error, found.total.freedom) == pytest.approx((variance**0.5, freedom))
    assert not found.seeds_too


def test_intervals_are_as_wide_as_three_pairs_ask_for():
    """Bonferroni over all pairs of three settings, and the sign is setting minus best."""
    found = family([A, B, B - 1])
    assert found.baseline == 0 and not found.is_reference
    for index, other in ((1, B), (2, B - 1)):
        row, test = found.difference(index, 0), paired(other, A)
        half = stats.t.ppf(1 - 0.05 / 3 / 2, test.total.freedom) * test.error
        assert (row.mean, row.low, row.high) == pytest.approx(
            (test.mean, test.mean - half, test.mean + half)
        )
        assert row.test.error == pytest.approx(test.error) and row.p >= test.p


def test_the_error_of_an_average_is_over_seeds():
    found = average(A)
    assert found[:2] == pytest.approx((5.0, np.sqrt(7 / 3))) and found.over == "seeds"

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from report.comparison.paired import paired
from report.comparison.statistics import average, family, holm


def draw(generator, settings, seeds=3, data=100, between_seeds=0.3, noise=0.5, advantage=0.0):
    """Settings that are equal, except that the first one has an `advantage`.

    The difficulty of a datum varies by 20 nats; every seed has its luck; the rest is noise.
    """
    difficulty = generator.normal(0, 20, data)
    shape = (settings, seeds, data)
    values = (
        difficulty
        + generator.normal(0, between_seeds, shape[:2])[..., None]
        + generator.normal(0, noise, shape)
    )
    values[0] += advantage
    return list(values)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_holm_is_monotone_bounded_and_between_raw_and_bonferroni(p):
    adjusted = holm(p)
    assert all(
        raw <= a <= min(1.0, raw * len(p)) + 1e-12 for raw, a in zip(p, adjusted, strict=True)
    )
    assert [adjusted[i] for i in np.argsort(p, kind="stable")] == sorted(adjusted)


def test_holm_on_a_worked_example():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx(
        [0.03, 0.06, 0.06, 0.02]
    )  # Holm 1979, by hand


def test_a_single_seed_each_is_the_paired_t_test():
    generator = np.random.default_rng(0)
    a, b = generator.normal(size=(2, 1, 40))
    test, reference = paired(a, b), stats.ttest_rel(a[0], b[0])
    assert (test.mean, test.p) == pytest.approx((float((a - b).mean()), reference.pvalue))
    assert (test.mean - test.half_width(0.95), test.mean + test.half_width(0.95)) == pytest.approx(
        tuple(reference.confidence_interval(0.95))
    )
    assert not test.seeds_too


def test_differences_are_paired():
    """20 nats between data, 0.1 between settings: invisible unpaired, plain when paired."""
    a, b = draw(np.random.default_rng(0), 2, between_seeds=0.0, noise=0.1, advantage=0.1)
    assert paired(a, b).p < 1e-3
    assert stats.ttest_ind(a.mean(0), b.mean(0)).pvalue > 0.5


def false_alarms(settings, p_of, repeats=400, **how):
    """How often anything at all is declared different at 5 % among equal settings."""
    generator = np.random.default_rng(1)
    return sum(min(p_of(draw(generator, settings, **how))) < 0.05 for _ in range(repeats)) / repeats


def to_best(values):
    """The place of the best setting among `values`, and every other one minus the best."""
    order = sorted(range(len(values)), key=lambda i: -values[i].mean())
    found = family([values[i] for i in order])
    return order[0], [found.difference(i, 0) for i in range(1, len(values))]


def ours(values):
    return [difference.p for difference in to_best(values)[1]]


def test_equal_settings_are_seldom_called_different():
    """The rate is 5 % at most: 8.5 % of 400 then has a probability below 0.002."""
    assert false_alarms(6, ours) <= 0.085
    assert false_alarms(2, ours) <= 0.085


def test_a_test_that_forgets_the_choice_of_the_best_would_be_caught():
    """The planted bug: Holm over the comparisons that are shown only, of a best that luck chose."""

    def shown_only(values):
        best = int(np.argmax([v.mean() for v in values]))
        return holm([paired(values[best], v).p for i, v in enumerate(values) if i != best])

    assert false_alarms(6, shown_only, between_seeds=0.0, seeds=1) > 0.085


def test_a_test_that_forgets_the_seeds_would_be_caught():
    """The planted bug: only the data vary, so seeds that differ look like settings that differ."""

    def data_only(values):
        return [stats.ttest_rel(values[0].mean(0), v.mean(0)).pvalue for v in values[1:]]

    assert false_alarms(2, data_only) > 0.5


def test_intervals_cover_and_real_differences_are_found():
    """Intervals hold together at 95 %: less than 91 % of 400 has a probability below 0.001."""
    generator = np.random.default_rng(2)
    covered = found = 0
    for _ in range(400):
        best, rows = to_best(draw(generator, 4, advantage=2.0))
        covered += all(row.low <= (-2.0 if best == 0 else 0.0) <= row.high for row in rows)
        found += best == 0 and all(row.p < 0.05 for row in rows)
    assert covered >= 0.91 * 400
    assert found >= 0.5 * 400


def test_a_reference_is_compared_with_all_others_and_with_nothing_else():
    """Three comparisons for four settings, signed as setting minus reference."""
    values = draw(np.random.default_rng(3), 4, advantage=2.0)
    found = family(values, reference=2)
    assert found.baseline == 2 and set(found.differences) == {(0, 2), (1, 2), (3, 2)}
    expected = holm([paired(values[i], values[2]).p for i in (0, 1, 3)])
    assert [found.difference(i, 2).p for i in (0, 1, 3)] == expected
    assert found.difference(2, 0).mean == -found.difference(0, 2).mean


def test_one_seed_has_the_error_of_its_data():
    """Then it is that of the data, and says so; of a single datum there is none."""
    alone = average(np.array([[1.0, 3.0]]))
    assert alone == (2.0, 1.0, "data")
    assert np.isnan(average(np.ones((1, 1))).error)
    both = average(np.array([[1.0, 3.0], [3.0, 5.0]]))
    assert both[:2] == pytest.approx((3.0, 1.0)) and both.over == "seeds"


def test_one_datum_has_the_spread_of_its_seeds_alone():
    """(ȧ − ḃ) with s²/n of each side, by hand: [1, 3] has 2/2, [0, 4, 8] has 16/3."""
    a, b = np.array([[1.0], [3.0]]), np.array([[0.0], [4.0], [8.0]])
    found = paired(a, b)
    assert found.mean == -2 and found.seeds_too
    assert found.error == pytest.approx((1 + 16 / 3) ** 0.5)
    welch = stats.ttest_ind(a[:, 0], b[:, 0], equal_var=False)
    assert found.total.freedom == pytest.approx(welch.df) and found.p == pytest.approx(welch.pvalue)

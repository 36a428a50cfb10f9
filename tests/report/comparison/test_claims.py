"""What the statistics claim, each with a planted bug that its check catches."""

import numpy as np
import pytest
from scipy import stats

from report.comparison import paired as paired_module
from report.comparison import power as power_module
from report.comparison import statistics
from report.comparison.paired import Paired, Part, paired
from report.comparison.power import seeds_needed

LEVEL = 0.05


def drawn(generator, seeds, gain=0.0, between_seeds=0.4, data=60, noise=0.2):
    """Values of a setting: data that are hard or easy are so for every setting."""
    difficulty = np.random.default_rng(5).normal(0, 10, data)
    luck = generator.normal(0, between_seeds, (seeds, 1))
    return difficulty + gain + luck + generator.normal(0, noise, (seeds, data))


def freedom_is_welchs_where_only_seeds_vary():
    generator = np.random.default_rng(0)
    a, b = (np.repeat(generator.normal(size=(n, 1)), 7, axis=1) for n in (3, 5))
    found = paired(a, b)
    reference = stats.ttest_ind(a[:, 0], b[:, 0], equal_var=False)
    assert found.total.freedom == pytest.approx(reference.df)
    assert found.p == pytest.approx(reference.pvalue)


def seeds_and_data_are_told_apart():
    """Data: the spread of differences per datum. Seeds: that of the means of runs."""
    a, b = (drawn(np.random.default_rng(n), 4) for n in (1, 2))
    found = paired(a, b)
    assert found.data is not None and np.sqrt(found.data.variance) < 0.05
    expected = [np.var(v.mean(1), ddof=1) / 4 for v in (a, b)]
    assert [part.variance for part in found.seeds] == pytest.approx(expected)


def a_reference_is_compared_with_all_others_at_once():
    """Five settings that equal a reference: one or more is called different in 5 % of tables."""
    generator, false = np.random.default_rng(3), 0
    for _ in range(300):
        settings = [drawn(generator, 1, between_seeds=0.0, data=30) for _ in range(6)]
        found = statistics.family(settings, reference=2)
        assert all(pair[1] == 2 for pair in found.differences)
        false += any(d.differs for d in found.differences.values())
    assert false <= 0.09 * 300


def as_many_seeds_as_are_said_tell_in_four_of_five_cases():
    """True values are given, and the experiment with as many seeds is repeated 600 times."""
    gain, spread, data = 1.0, 0.4, Part(0.05**2, 59)
    true = Paired(gain, data, (Part(spread**2 / 3, 2), Part(spread**2 / 3, 2)))
    count = seeds_needed(true, LEVEL)
    generator, told = np.random.default_rng(4), 0
    for _ in range(600):
        runs = [generator.normal(m, spread, count) for m in (gain + generator.normal(0, 0.05), 0)]
        parts = [Part(np.var(side, ddof=1) / count, count - 1) for side in runs]
        told += Paired(runs[0].mean() - runs[1].mean(), data, tuple(parts)).p < LEVEL
    assert 0.76 <= told / 600 <= 0.95


def seeds_cannot_replace_data():
    """With a spread over data of half the difference, no number of seeds is enough."""
    test = Paired(1.0, Part(0.25, 9), (Part(1e-6, 2), Part(1e-6, 2)))
    assert seeds_needed(test, LEVEL) is None


def settings_are_told_apart_by_seeds_only():
    a, b = drawn(np.random.default_rng(1), 1, gain=1.0), drawn(np.random.default_rng(2), 1)
    (found,) = statistics.family([a, b]).differences.values()
    assert found.differs and not found.told_apart


def unpaired(a, b):
    """Forgets that both settings were measured on the same data."""
    found = paired_module.paired(a, b)
    variance = sum(np.var(v.mean(0), ddof=1) / v.shape[1] for v in (a, b))
    return Paired(found.mean, Part(variance, 59), found.seeds)


def without_data(test, level):
    """Forgets that the data are a sample, too."""
    return power_module.seeds_needed(Paired(test.mean, None, test.seeds), level)


PLANTED = [
    (
        freedom_is_welchs_where_only_seeds_vary,
        (paired_module, "satterthwaite"),
        lambda parts: Part(sum(v for v, _ in parts), sum(n for _, n in parts)),
    ),
    (seeds_and_data_are_told_apart, (None, "paired"), unpaired),
    (a_reference_is_compared_with_all_others_at_once, (statistics, "holm"), list),
    (
        as_many_seeds_as_are_said_tell_in_four_of_five_cases,
        (power_module, "stdtrit"),
        lambda freedom, p: stats.norm.ppf(p),
    ),
    (seeds_cannot_replace_data, (None, "seeds_needed"), without_data),
    (
        settings_are_told_apart_by_seeds_only,
        (Paired, "seeds_too"),
        property(lambda self: True),
    ),
]


@pytest.mark.parametrize(("claim", "place", "bug"), PLANTED, ids=[p[0].__name__ for p in PLANTED])
def test_a_claim_holds_and_its_planted_bug_is_caught(claim, place, bug, monkeypatch):
    claim()
    owner, name = place
    if owner is None:
        monkeypatch.setitem(globals(), name, bug)
    else:
        monkeypatch.setattr(owner, name, bug)
    with pytest.raises(AssertionError):
        claim()

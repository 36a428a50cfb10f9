"""Is one setting better than another? Paired differences, their intervals, and their price.

Many comparisons are made at once: intervals are wider and p-values larger than for a single one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64
from scipy.special import stdtr, stdtrit

# One setting: a row for each run, all measured on the same data in the same order.
ValuesBySeed = Float64[np.ndarray, " seeds data"]
LEVEL = 0.95


@dataclass(frozen=True)
class Difference:
    """A setting minus the best one, with a simultaneous interval and a Holm-adjusted p-value.

    `seeds_too` says whether the interval knows how much seeds differ (two or more on either side);
    if not, it covers the sampling of the data only, and speaks of these trained runs instead of
    their settings.
    """

    mean: float
    standard_error: float
    low: float
    high: float
    p: float
    seeds_too: bool


class Average(NamedTuple):
    """The mean over data and seeds, and its standard error over seeds: NaN for a single seed."""

    mean: float
    error: float


def average(values: ValuesBySeed) -> Average:
    """Averages the values of one setting."""
    runs = values.mean(axis=1)
    error = runs.std(ddof=1) / np.sqrt(len(runs)) if len(runs) > 1 else np.nan
    return Average(float(runs.mean()), float(error))


def differences_to_best(
    settings: Sequence[ValuesBySeed], higher_is_better: bool = True
) -> tuple[int, list[Difference | None]]:
    """Compares every setting with the best one.

    The best is chosen by the same numbers that it is then tested with, and the best of many equals
    looks good by luck. So p-values are Holm-adjusted (Holm 1979) and intervals Bonferroni-widened
    over *all* pairs of settings, which includes the pair that luck has picked, and not just over
    those that are shown.

    Arguments:
        settings: the values of each setting; all settings share the data.
        higher_is_better: whether the best setting has the highest mean, or the lowest.

    Returns:
        The index of the best setting, and every setting's paired difference to it, which is None
        for the best itself.
    """
    means = np.array([values.mean() for values in settings])
    best = int(np.argmax(means if higher_is_better else -means))
    pairs = list(combinations(range(len(settings)), 2))
    tests = {pair: paired(settings[pair[0]], settings[pair[1]]) for pair in pairs}
    adjusted = dict(zip(pairs, holm([test.p for test in tests.values()]), strict=True))
    rows: list[Difference | None] = []
    for index in range(len(settings)):
        if index == best:
            rows.append(None)
            continue
        pair = (min(index, best), max(index, best))
        test, sign = tests[pair], 1.0 if index < best else -1.0
        half = test.half_width(1 - (1 - LEVEL) / len(pairs))
        mean = sign * test.mean
        rows.append(
            Difference(mean, test.error, mean - half, mean + half, adjusted[pair], test.seeds_too)
        )
    return best, rows


@dataclass(frozen=True)
class Paired:
    """The mean of a − b, its standard error, and the degrees of freedom of that error."""

    mean: float
    error: float
    freedom: float
    seeds_too: bool

    @property
    def p(self) -> float:
        """The p-value of the two-sided test that the mean is zero."""
        if self.error == 0:
            return 1.0 if self.mean == 0 else 0.0
        return float(2 * stdtr(self.freedom, -abs(self.mean) / self.error))

    def half_width(self, level: float) -> float:
        """Returns half the width of the two-sided interval that covers with that probability."""
        return float(-stdtrit(self.freedom, (1 - level) / 2)) * self.error


def paired(a: ValuesBySeed, b: ValuesBySeed) -> Paired:
    """Subtracts two settings that were measured on the same data.

    Two things vary: which data were drawn, and which seeds. Averaged over seeds, the per-datum
    differences give the variance of the first, in which the spread between easy and hard data has
    cancelled; the spread of a's runs and of b's gives that of the second. Their sum errs, if at
    all, on the safe side (the noise that is neither is counted in both, as in the pigeonhole
    bootstrap of Owen 2007), and Satterthwaite's formula gives its degrees of freedom.
    """
    d = a.mean(axis=0) - b.mean(axis=0)
    parts = [(d.var(ddof=1) / len(d), len(d) - 1)] if len(d) > 1 else []
    parts += [
        (runs.var(ddof=1) / len(runs), len(runs) - 1)
        for runs in (a.mean(axis=1), b.mean(axis=1))
        if len(runs) > 1
    ]
    if not parts:
        return Paired(float(d.mean()), np.inf, 1.0, seeds_too=False)
    variance = sum(v for v, _ in parts)
    freedom = variance**2 / sum(v**2 / n for v, n in parts) if variance > 0 else 1.0
    return Paired(
        float(d.mean()),
        float(np.sqrt(variance)),
        float(freedom),
        seeds_too=len(a) > 1 and len(b) > 1,
    )


def holm(p: Sequence[float]) -> list[float]:
    """Adjusts p-values for being many.

    Whoever rejects those below α then makes any false rejection with probability at most α.

    >>> holm([0.01, 0.04])
    [0.02, 0.04]
    """
    order = np.argsort(p, kind="stable")
    stepped = (len(p) - np.arange(len(p))) * np.asarray(p, dtype=float)[order]
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(np.maximum.accumulate(stepped), 1.0)
    return [float(value) for value in adjusted]

"""Many comparisons at once: intervals are wider and p-values larger than for a single one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Literal, NamedTuple

import numpy as np

from report.comparison.paired import Paired, ValuesBySeed, paired
from report.comparison.power import seeds_needed

LEVEL = 0.95


class Average(NamedTuple):
    """The mean over data and seeds, and its standard error.

    The error is over seeds, or, for a single seed, over data; that of a single datum is NaN.
    """

    mean: float
    error: float
    over: Literal["seeds", "data"]


def average(values: ValuesBySeed) -> Average:
    """Averages the values of one setting."""
    runs = values.mean(axis=1)
    spread = runs if len(runs) > 1 else values[0]
    error = spread.std(ddof=1) / np.sqrt(len(spread)) if len(spread) > 1 else np.nan
    return Average(float(runs.mean()), float(error), "seeds" if len(runs) > 1 else "data")


@dataclass(frozen=True)
class Difference:
    """A setting minus another, as one of a family of comparisons.

    Its interval holds together with those of the whole family, and `p` is Holm-adjusted.
    `seeds_needed` is None where the spread of seeds is unknown or no number of seeds would do.
    """

    test: Paired
    half_width: float
    p: float
    seeds_needed: int | None

    @property
    def mean(self) -> float:
        """The mean of the difference."""
        return self.test.mean

    @property
    def low(self) -> float:
        """The lower end of the interval."""
        return self.mean - self.half_width

    @property
    def high(self) -> float:
        """The upper end of the interval."""
        return self.mean + self.half_width

    @property
    def differs(self) -> bool:
        """Whether the difference is more than chance, of the data at least."""
        return self.p < 1 - LEVEL

    @property
    def told_apart(self) -> bool:
        """Whether the settings differ, and not just these trained runs of them."""
        return self.differs and self.test.seeds_too

    def __neg__(self) -> "Difference":
        return replace(self, test=-self.test)


@dataclass(frozen=True)
class Family:
    """The comparisons of a table: of all pairs of settings, or of each with a reference.

    `baseline` is the number of the setting that the rows are compared with: the reference, or the
    best. `differences[a, b]` is setting a minus setting b.
    """

    baseline: int
    is_reference: bool
    differences: Mapping[tuple[int, int], Difference]

    def difference(self, a: int, b: int) -> Difference:
        """Returns setting a minus setting b."""
        known = self.differences.get((a, b))
        return -self.differences[b, a] if known is None else known


def family(settings: Sequence[ValuesBySeed], reference: int | None = None) -> Family:
    """Compares settings, the best of which is the first.

    The best is chosen by the same numbers that it is then tested with, and the best of many equals
    looks good by luck. So p-values are Holm-adjusted (Holm 1979) and intervals Bonferroni-widened
    over *all* pairs of settings, which includes the pair that luck has picked, and not just over
    those that a table shows. A reference is chosen before: each setting is compared with it only.

    Arguments:
        settings: the values of each setting; all settings share the data.
        reference: the number of the setting that all others are compared with.
    """
    every = range(len(settings))
    if reference is None:
        pairs = list(combinations(every, 2))
    else:
        pairs = [(index, reference) for index in every if index != reference]
    tests = [paired(settings[a], settings[b]) for a, b in pairs]
    found = {}
    for pair, test, p in zip(pairs, tests, holm([test.p for test in tests]), strict=True):
        share = (1 - LEVEL) / len(pairs)
        needed = seeds_needed(test, share) if test.seeds_too else None
        found[pair] = Difference(test, test.half_width(1 - share), p, needed)
    return Family(reference or 0, reference is not None, found)


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

"""How many seeds would tell two settings apart: a plan for the next experiment, and an estimate."""

from bisect import bisect_left

import numpy as np
from scipy.special import nctdtr, stdtrit

from report.comparison.paired import Paired, Part, satterthwaite

POWER = 0.8
MOST_SEEDS = 1000


def seeds_needed(test: Paired, level: float) -> int | None:
    """Estimates how many seeds each would tell two settings apart with probability POWER.

    It takes the difference and the spreads that were seen for the true ones. More seeds make the
    parts of the seeds smaller, and leave that of the data as it is.

    Arguments:
        test: the difference, with the spread of the seeds on both sides.
        level: the level of the test, after its share in all that are made.

    Returns:
        The number; None if MOST_SEEDS would not do.
    """
    seeds = range(2, MOST_SEEDS + 1)
    index = bisect_left(seeds, POWER, key=lambda count: power(test, count, level))
    return seeds[index] if index < len(seeds) else None


def power(test: Paired, seeds: int, level: float) -> float:
    """Returns the probability that a test of `seeds` seeds each finds the difference of `test`."""
    data = [] if test.data is None else [test.data]
    fewer = [Part(v * (n + 1) / seeds, seeds - 1) for v, n in test.seeds]
    variance, freedom = satterthwaite([*data, *fewer])
    if variance == 0 or test.mean == 0:
        return float(test.mean != 0)
    critical, shift = -stdtrit(freedom, level / 2), abs(test.mean) / np.sqrt(variance)
    # SciPy has NaN for a tail that is less than rounding.
    below, not_above = np.nan_to_num(nctdtr(freedom, shift, [-critical, critical]))
    return float(below + 1 - not_above)

"""Whether splits are of one distribution: what is split by its order may not be."""

import math
from collections.abc import Sequence

import numpy as np

from data.mapped import Mapped
from data.raw import RawSplit

# A look at so many rows of each split and so many numbers of a datum, evenly spaced.
ROWS, NUMBERS = 2000, 50
# How often equal splits may be called different, over all numbers that are looked at.
FALSE_ALARMS = 1e-6


def drift(
    train: RawSplit, other: RawSplit, name: str, columns: Sequence[str] | None = None
) -> str | None:
    """Says in a line that the split called `name` differs from the training split, if it does.

    Each number of a datum is compared by the two-sample test of Kolmogorov and Smirnov, with
    Bonferroni's correction. Splits that differ in other ways (correlations, say) are not seen.

    >>> rows = np.linspace(0, 1, 200)[:, None]
    >>> drift(RawSplit(rows), RawSplit(rows[::-1]), "test") is None
    True
    >>> drift(RawSplit(rows), RawSplit(rows + 2), "test", ["age"])
    'the test split differs from the training split in 1 of 1 numbers, most in age: what is \
measured there is of other data (data.split_by=permutation mixes them)'
    """
    from scipy.stats import ks_2samp

    which = np.unique(np.linspace(0, math.prod(train.values.shape[1:]) - 1, NUMBERS).astype(int))
    one, two = _some(train, which), _some(other, which)
    found = {}
    for place, number in enumerate(which):
        test = ks_2samp(one[:, place], two[:, place], method="asymp")
        if test.pvalue < FALSE_ALARMS / len(which):
            found[int(number)] = float(test.statistic)
    if not found:
        return None
    most = max(found, key=lambda number: found[number])
    where = f"number {most}" if columns is None else columns[most]
    return (
        f"the {name} split differs from the training split in {len(found)} of {len(which)} "
        f"numbers, most in {where}: what is measured there is of other data "
        "(data.split_by=permutation mixes them)"
    )


def _some(split: RawSplit, which: np.ndarray) -> np.ndarray:
    """Returns the numbers `which` of some rows; those of a mapped file are read, not touched."""
    file = Mapped.of(split.values)
    rows = np.unique(np.linspace(0, len(split) - 1, ROWS).astype(int))
    picked = (file.read(row, row + 1) if file else split.values[row : row + 1] for row in rows)
    return np.stack([row.reshape(-1)[which] for row in picked]).astype(np.float64)

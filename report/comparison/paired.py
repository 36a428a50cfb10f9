"""Two settings on the same data: their difference, and what its error is made of."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64
from scipy.special import stdtr, stdtrit

# One setting: a row for each run, all measured on the same data in the same order.
ValuesBySeed = Float64[np.ndarray, " seeds data"]


class Part(NamedTuple):
    """The variance of a mean, and the degrees of freedom that it was estimated with."""

    variance: float
    freedom: float


def satterthwaite(parts: Sequence[Part]) -> Part:
    """Adds the variances of independent parts; Satterthwaite (1946) has the sum's freedom.

    It lies between the least of the parts' and their sum. Without any variance it is 1.

    >>> satterthwaite([Part(3.0, 3), Part(1.0, 1)])
    Part(variance=4.0, freedom=4.0)
    """
    variance = sum(v for v, _ in parts)
    freedom = variance**2 / sum(v**2 / n for v, n in parts) if variance > 0 else 1.0
    return Part(float(variance), float(freedom))


@dataclass(frozen=True)
class Paired:
    """The mean of a − b, and the parts of its variance.

    `data` is the part of which data were drawn, None for a single datum. `seeds` are the parts of
    which seeds were drawn: one for each side that has two or more.
    """

    mean: float
    data: Part | None
    seeds: tuple[Part, ...]

    @property
    def parts(self) -> list[Part]:
        """All parts that could be estimated."""
        return [*([] if self.data is None else [self.data]), *self.seeds]

    @cached_property
    def total(self) -> Part:
        """Their sum, which is infinite where none could be estimated."""
        return satterthwaite(self.parts) if self.parts else Part(np.inf, 1.0)

    @property
    def error(self) -> float:
        """The standard error of the mean."""
        return float(np.sqrt(self.total.variance))

    @property
    def seeds_too(self) -> bool:
        """Whether the error knows how much seeds differ, on both sides.

        If not, it speaks of these trained runs instead of their settings.
        """
        return len(self.seeds) == 2

    @property
    def p(self) -> float:
        """The p-value of the two-sided test that the mean is zero."""
        if self.error == 0:
            return 1.0 if self.mean == 0 else 0.0
        return float(2 * stdtr(self.total.freedom, -abs(self.mean) / self.error))

    def half_width(self, level: float) -> float:
        """Returns half the width of the two-sided interval that covers with that probability."""
        return float(-stdtrit(self.total.freedom, (1 - level) / 2)) * self.error

    def __neg__(self) -> "Paired":
        """Returns b − a."""
        return Paired(-self.mean, self.data, self.seeds)


def paired(a: ValuesBySeed, b: ValuesBySeed) -> Paired:
    """Subtracts two settings that were measured on the same data.

    Two things vary: which data were drawn, and which seeds. Averaged over seeds, the per-datum
    differences give the variance of the first, in which the spread between easy and hard data has
    cancelled; the spread of a's runs and of b's gives that of the second. Their sum errs, if at
    all, on the safe side (the noise that is neither is counted in both, as in the pigeonhole
    bootstrap of Owen 2007).
    """
    d = a.mean(axis=0) - b.mean(axis=0)
    data = Part(d.var(ddof=1) / len(d), len(d) - 1) if len(d) > 1 else None
    seeds = [
        Part(runs.var(ddof=1) / len(runs), len(runs) - 1)
        for runs in (a.mean(axis=1), b.mean(axis=1))
        if len(runs) > 1
    ]
    return Paired(float(d.mean()), data, tuple(seeds))

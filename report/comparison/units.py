"""What the numbers of a table are in: nats per datum, or bits per dimension of stored levels."""

import math
from collections.abc import Sequence
from enum import StrEnum

import numpy as np

from report.comparison.paired import ValuesBySeed
from report.comparison.reading import EvaluatedRun, Values


class Unit(StrEnum):
    """The unit of a table, in words."""

    NATS = "nats per datum"
    BITS = "bits per dimension"

    @property
    def higher_is_better(self) -> bool:
        """Whether a model with a larger number is better: log-densities, not bits."""
        return self is Unit.NATS

    @property
    def digits(self) -> int:
        """Settings differ in the second decimal in nats, in the fourth in bits per dimension."""
        return 2 if self is Unit.NATS else 4

    def convert(self, run: EvaluatedRun, nats: Values) -> Values:
        """Converts log-densities of the run's data, in nats, to this unit."""
        if self is Unit.NATS:
            return nats
        width, dimensions = width_in_bits(run), run.data.dimensions
        if width is None or dimensions is None:
            raise ValueError(f"{run.path}: the width of its levels is unknown")
        return -width + -1 / (dimensions * math.log(2)) * nats

    def values(self, runs: Sequence[EvaluatedRun], name: str) -> ValuesBySeed:
        """Returns the quantity `name` of every run and datum, (runs, data), in this unit."""
        return np.stack([self.convert(run, run.per_datum[name]) for run in runs])


def width_in_bits(run: EvaluatedRun) -> float | None:
    """Returns log₂ of the width of a stored level in the run's space, or None if it is unknown.

    It is what the bits per dimension of the evaluation have beyond its nats.
    """
    dimensions = run.data.dimensions
    if run.bits is None or run.bits.origin not in run.nats or dimensions is None or dimensions < 1:
        return None
    return -(run.bits.mean + run.nats[run.bits.origin].mean / (dimensions * math.log(2)))

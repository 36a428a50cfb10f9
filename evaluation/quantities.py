"""What figures, pages and comparisons show of a run, each worked out once, from plain numbers.

Importing this does not import torch: a comparison reads files and works without it. What is worked
out from the tensors of an evaluation in memory is in evaluation/summary.py.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeGuard

import numpy as np

from evaluation.measured import Measured

Term = Literal["elbo", "reconstruction", "kl"]
# The scale of a curve leaves out one in so many epochs, the first: they would flatten the rest.
UNSETTLED = 20
# The bounds on log p(x), from below to above it, by their names in evaluation.json.
RUNGS = ("elbo", "iwae", "ais", "exact", "upper", "reverse_ais", "truth")


@dataclass(frozen=True)
class Curve:
    """A term of the ELBO on one split by epoch, in nats per datum."""

    term: Term
    split: str
    points: tuple[tuple[int, float], ...]

    @property
    def epochs(self) -> list[int]:
        return [epoch for epoch, _ in self.points]

    @property
    def values(self) -> list[float]:
        return [value for _, value in self.points]

    @property
    def settled(self) -> list[float]:
        """The values without those of the first epochs, which would flatten the rest."""
        return self.values[len(self.points) // UNSETTLED :]

    def thinned(self, most: int) -> list[tuple[int, float]]:
        """Returns about `most` points, evenly spaced, and the last one."""
        return [*self.points[:: max(1, len(self.points) // most)], *self.points[-1:]]


def curve(metrics: Iterable[Mapping[str, object]], term: Term, split: str) -> Curve:
    """Returns the curve in the records of metrics.jsonl; records that are damaged have no point."""
    points = []
    for record in metrics:
        epoch, value = record.get("epoch"), record.get(term)
        if record.get("split") == split and isinstance(epoch, int) and _is_number(value):
            points.append((epoch, float(value)))
    return Curve(term, split, tuple(points))


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and math.isfinite(value)


def path_of_rates(metrics: Sequence[Mapping[str, object]]) -> list[tuple[float, float]]:
    """Returns (rate, distortion) on the validation split after every epoch, the first left out."""
    rates = dict(curve(metrics, "kl", "valid").points)
    gains = dict(curve(metrics, "reconstruction", "valid").points)
    path = [(rates[epoch], -gains[epoch]) for epoch in rates if epoch in gains]
    return path[len(path) // UNSETTLED :]


@dataclass(frozen=True)
class EqualElbo:
    """The stretch of the line rate + distortion = −`elbo` that crosses a picture.

    It begins at the upper left and ends at the lower right, each (rate, distortion).
    """

    elbo: float
    start: tuple[float, float]
    end: tuple[float, float]


def equal_elbos(
    rates: tuple[float, float], distortions: tuple[float, float], count: int = 5
) -> list[EqualElbo]:
    """Returns `count` evenly spaced lines in the picture that spans `rates` and `distortions`."""
    (left, right), (bottom, top) = rates, distortions
    lines = []
    for total in np.linspace(left + bottom, right + top, count + 2)[1:-1].tolist():
        first, last = max(left, total - top), min(right, total - bottom)
        lines.append(EqualElbo(-total, (first, total - first), (last, total - last)))
    return lines


@dataclass(frozen=True)
class Rung:
    """A bound on log p(x), measured by its distance from the ladder's reference.

    `name` is its name in evaluation.json, and `kind` the side of log p(x) that it is on. `effort`
    is the number of particles or temperatures, if it has one. `mean` is over all its data, and
    `distance` is paired per datum over the data that the bound and the reference share.
    """

    name: str
    kind: Literal["lower", "exact", "upper"]
    effort: int | None
    mean: float
    distance: Measured

    @property
    def error(self) -> float:
        """Two standard errors of the distance, and 0 if a single datum has shown none."""
        error = 2 * self.distance.standard_error
        return 0.0 if math.isnan(error) else error


@dataclass(frozen=True)
class Ladder:
    """Bounds on log p(x) of the same data, in the order of RUNGS.

    `reference` is the one that their distances are taken from.
    """

    reference: Rung
    rungs: tuple[Rung, ...]

    @property
    def kinds(self) -> set[str]:
        """The sides of log p(x) that there is a bound on."""
        return {rung.kind for rung in self.rungs}


@dataclass(frozen=True)
class GapBar:
    """log p(x) − ELBO on data of one split, in two parts: the guide family's and the encoder's.

    `source` names the bound that stands for log p(x). `left_by_richer` is what a richer family
    leaves of the family's part; it is None if no such family was fitted, or none has converged.
    """

    split: str
    source: str
    family: Measured
    encoder: Measured
    left_by_richer: float | None = None

    @property
    def total(self) -> float:
        return self.family.mean + self.encoder.mean

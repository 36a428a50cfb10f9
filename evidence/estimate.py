"""A number about log p(x), with its error, its counts and its side."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import torch
from jaxtyping import Float64
from torch import Tensor

Kind = Literal["lower", "upper", "exact"]


@dataclass(frozen=True)
class Details:
    """What a reader needs to judge an estimate, beside its error and its counts."""


@dataclass(frozen=True)
class Exactly(Details):
    """log p(x) by a closed form, or of a known law: `method` says which."""

    method: str


@dataclass(frozen=True)
class Enumeration(Details):
    """log p(x) as a sum over all `assignments` of values to the discrete latents of a datum."""

    assignments: int
    method: str = "enumeration"


@dataclass(frozen=True)
class Quadrature(Details):
    """log p(x) by integration over a grid, errors in nats.

    `error` is the mean and `largest_error` the largest change of a datum under the last halving of
    the cells; `exceeding` counts the data that changed by more than `tolerance`; `outside` bounds
    the mass outside the `box`, (dimensions, 2), of free coordinates. `conditions` counts the labels that were integrated apart.
    """

    tolerance: float
    error: float
    largest_error: float
    exceeding: int
    outside: float
    box: list[list[float]] | None = None
    finest_cell: list[float] | None = None
    conditions: int | None = None
    method: str = "quadrature"


@dataclass(frozen=True)
class Annealed(Details):
    """How an estimate was annealed."""

    temperatures: int
    leapfrogs: int
    start: str
    schedule: str


@dataclass(frozen=True)
class Fitted(Details):
    """The best of `restarts` fits of every datum; `diverged` counts data with a fit that diverged."""

    restarts: int
    diverged: int


@dataclass(frozen=True)
class Estimate:
    """Per-datum values in nats. `kind` says on which side of log p(x) their expectation lies.

    `particles` is the number of posterior samples per datum (None where none are drawn); `details` holds what else a
    reader needs to judge the number (tolerance, grid, temperatures).
    """

    per_datum: Float64[Tensor, " batch"]
    kind: Kind
    particles: int | None = None
    details: Details | None = None

    @property
    def mean(self) -> float:
        """Average over the data, nats per datum."""
        return float(self.per_datum.mean())

    @property
    def standard_error(self) -> float:
        """Of the mean over data, in nats: the spread of the data and of the Monte Carlo noise together."""
        return standard_error(self.per_datum)

    @property
    def num_examples(self) -> int:
        """How many data it is a mean over."""
        return len(self.per_datum)

    def summary(self) -> dict[str, Any]:
        """Plain values for evaluation.json."""
        plain: dict[str, Any] = {"mean": self.mean, "se": self.standard_error, "kind": self.kind}
        plain["num_examples"] = self.num_examples
        if self.particles is not None:
            plain["particles"] = self.particles
        details = {} if self.details is None else asdict(self.details)
        return plain | {name: value for name, value in details.items() if value is not None}

    def first(self, count: int) -> "Estimate":
        """The same of the first `count` data."""
        return replace(self, per_datum=self.per_datum[:count])

    @staticmethod
    def join(parts: Sequence["Estimate"]) -> "Estimate":
        """One estimate from those of consecutive blocks of data."""
        first = parts[0]
        return Estimate(
            torch.cat([part.per_datum for part in parts]),
            first.kind,
            first.particles,
            first.details,
        )


def paired(first: Estimate, second: Estimate) -> Float64[Tensor, " batch"]:
    """first − second per datum, on the first data, which both have: two estimates of different data are not subtracted."""
    count = min(first.num_examples, second.num_examples)
    return first.per_datum[:count] - second.per_datum[:count]


def measured(values: Float64[Tensor, " batch"]) -> dict[str, Any]:
    """Mean, standard error and number of `values`, as plain numbers for evaluation.json."""
    return {"mean": float(values.mean()), "se": standard_error(values), "num_examples": len(values)}


def with_error(values: Float64[Tensor, " batch"]) -> str:
    """Their mean ± its standard error, in words."""
    return f"{float(values.mean()):.2f} ± {standard_error(values):.2f}"


def standard_error(values: Float64[Tensor, " batch"]) -> float:
    """Of the mean of independent `values`; NaN for a single one."""
    return float(values.std(correction=1)) / math.sqrt(len(values)) if len(values) > 1 else math.nan

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

    def joined(self, others: Sequence["Details | None"]) -> "Details":
        """Returns the details of an estimate that is joined from this one's and from others."""
        return self


@dataclass(frozen=True)
class Exactly(Details):
    """log p(x) was computed by a formula: `method` says which."""

    method: str


@dataclass(frozen=True)
class Enumeration(Details):
    """log p(x) is a sum over all `assignments` of values to the discrete latents of a datum."""

    assignments: int
    method: str = "enumeration"


@dataclass(frozen=True)
class Quadrature(Details):
    """log p(x) was integrated over a grid; errors are in nats.

    `error` is the mean and `largest_error` the largest change of a datum under the last halving of
    the cells, or the share of its p(x) outside the box, where that is more than `tolerance`;
    `exceeding` counts the data whose error is more than `tolerance`; `outside` bounds
    the share of any p(x) outside the `box`, (dimensions, 2), of free coordinates. Where the data
    are given labels, `conditions` counts the labels that were integrated one by one, each in a box
    of its own.
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
    """How an estimate was annealed; see `evidence.Annealing`."""

    temperatures: int
    leapfrogs: int
    start: str
    schedule: str


@dataclass(frozen=True)
class Coupled(Details):
    """An upper bound from coupled chains; see `evidence.posterior_draws`.

    `late` data needed corrections, the chains of `never_met` have not met, and `total_variation`
    bounds the mean distance of the draws from the posterior before corrections.
    """

    lag: int
    burn_in: int
    late: int
    never_met: int
    total_variation: float
    of: Details | None = None

    def joined(self, others: Sequence[Details | None]) -> Details:
        """Returns the counts of all data, the longest lag and burn-in, the loosest bound."""
        every = [self, *(other for other in others if isinstance(other, Coupled))]
        return Coupled(
            max(part.lag for part in every),
            max(part.burn_in for part in every),
            sum(part.late for part in every),
            sum(part.never_met for part in every),
            max(part.total_variation for part in every),
            self.of,
        )


@dataclass(frozen=True)
class Fitted(Details):
    """The best of `restarts` fits per datum; `diverged` counts data with a fit that diverged."""

    restarts: int
    diverged: int


@dataclass(frozen=True)
class Estimate:
    """A value for every datum, in nats; `kind` says on which side of log p(x) its expectation is.

    `particles` is the number of posterior draws per datum, or None where none are drawn; `details`
    says what else a reader needs to judge the number.

    Raises:
        ArithmeticError: a value is NaN; the message names the datum.

    >>> estimate = Estimate(torch.tensor([-2.0, -4.0], dtype=torch.float64), "lower", particles=10)
    >>> estimate.mean, estimate.standard_error, estimate.kind
    (-3.0, 1.0, 'lower')
    """

    per_datum: Float64[Tensor, " batch"]
    kind: Kind
    particles: int | None = None
    details: Details | None = None

    def __post_init__(self) -> None:
        if bool((odd := self.per_datum.isnan()).any()):
            datum = int(odd.nonzero()[0])
            raise ArithmeticError(
                f"the {self.kind} number of datum {datum} is NaN; see that the guide draws where "
                "the model has a density"
            )

    @property
    def mean(self) -> float:
        """The average over the data, in nats per datum."""
        return float(self.per_datum.mean())

    @property
    def standard_error(self) -> float:
        """The standard error of the mean, in nats.

        It holds the spread of the data and the Monte Carlo noise together.
        """
        return standard_error(self.per_datum)

    @property
    def num_examples(self) -> int:
        """The number of data that `mean` is an average of."""
        return len(self.per_datum)

    def summary(self) -> dict[str, Any]:
        """Returns the estimate in plain values, as JSON holds them."""
        plain = {"mean": self.mean, "se": self.standard_error, "kind": self.kind}
        counts = {"num_examples": self.num_examples, "particles": self.particles}
        details = {} if self.details is None else asdict(self.details)
        every = plain | counts | details
        return {name: value for name, value in every.items() if value is not None}

    def first(self, count: int) -> "Estimate":
        """Returns the estimate of the first `count` data."""
        return replace(self, per_datum=self.per_datum[:count])

    @staticmethod
    def join(parts: Sequence["Estimate"]) -> "Estimate":
        """Returns one estimate from those of consecutive blocks of data, all made alike."""
        first, *others = parts
        details = first.details and first.details.joined([part.details for part in others])
        return replace(
            first, per_datum=torch.cat([part.per_datum for part in parts]), details=details
        )


def paired(first: Estimate, second: Estimate) -> Float64[Tensor, " batch"]:
    """Returns first − second per datum, on the first data, which both have measured."""
    count = min(first.num_examples, second.num_examples)
    return first.per_datum[:count] - second.per_datum[:count]


def measured(values: Float64[Tensor, " batch"]) -> dict[str, Any]:
    """Returns mean, standard error and number of `values`, as JSON holds them."""
    return {"mean": float(values.mean()), "se": standard_error(values), "num_examples": len(values)}


def with_error(values: Float64[Tensor, " batch"]) -> str:
    """Returns the mean of `values` ± its standard error, in words."""
    return f"{float(values.mean()):.2f} ± {standard_error(values):.2f}"


def standard_error(values: Float64[Tensor, " batch"]) -> float:
    """Returns the standard error of the mean of independent `values`; NaN for a single one."""
    return float(values.std(correction=1)) / math.sqrt(len(values)) if len(values) > 1 else math.nan

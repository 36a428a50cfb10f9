"""What is known about log p(x) of the same data: one estimate a kind."""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Literal

from evidence import Estimate

Tightest = Literal["exact", "iwae", "elbo"]


@dataclass(frozen=True)
class Bounds:
    """Estimates of log p(x) per datum, by the names that they have in evaluation.json.

    `iwae` is there unless the evaluation broke off before it, `exact` where log p(x) can be
    computed, `upper` where p(z|x) can be drawn from, `ais` and `reverse_ais` if they were asked
    for, on the first data only. `truth` is the log-density of the distribution that synthetic data
    were drawn from, which no model beats on average.
    """

    elbo: Estimate
    iwae: Estimate | None = None
    exact: Estimate | None = None
    upper: Estimate | None = None
    truth: Estimate | None = None
    ais: Estimate | None = None
    reverse_ais: Estimate | None = None

    def items(self) -> Iterator[tuple[str, Estimate]]:
        """Yields every estimate that there is with its name."""
        for field in fields(self):
            estimate: Estimate | None = vars(self)[field.name]
            if estimate is not None:
                yield field.name, estimate

    @property
    def tightest_name(self) -> Tightest:
        """The name of the tightest estimate that covers all data."""
        if self.exact is not None:
            return "exact"
        return "elbo" if self.iwae is None else "iwae"

    @property
    def tightest(self) -> Estimate:
        """The tightest estimate of all data: the exact value, or else IWAE, or else the ELBO."""
        return self.exact or self.iwae or self.elbo

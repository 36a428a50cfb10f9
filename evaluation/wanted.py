"""What an evaluation is to measure."""

import math
from dataclasses import dataclass, field
from typing import Literal

from evaluation.integral import MOST_SECONDS
from evaluation.local_fit import Fit
from evidence import Annealing
from inference.fast.compile_choice import has_compiler

# Decoder rows from which compiling (some 20 s the first time) saves time: docs/performance.md.
COMPILED_FROM = 10_000_000
# Passes of annealing: it is tuned and run, on data and on simulated data, forwards and backwards.
PASSES = 6


@dataclass(frozen=True)
class Wanted:
    """What is to be measured. Annealing, gap and calibration take long; None or 0 leaves them out.

    Annealing is done on the first `annealed` data, and from both sides on as many simulated ones.
    The parts of the gap are measured on the first `gap` data of `split` and of the training split,
    by `fit`. The calibration of the guide is measured on `simulations` simulated data. `exact` says
    whether log p(x) is integrated: `auto` does so where that takes no more than MOST_SECONDS.
    """

    split: str = "test"
    particles: int = 5000
    elbo_particles: int = 100
    limit: int | None = None
    seed: int = 0
    annealing: Annealing | None = None
    annealed: int = 100
    gap: int = 0
    fit: Fit = field(default_factory=Fit)
    simulations: int = 0
    compile: Literal["auto", "on", "off"] = "auto"
    exact: Literal["auto", "on", "off"] = "auto"

    @property
    def most_seconds(self) -> float:
        """How long an integral may take."""
        return MOST_SECONDS if self.exact == "auto" else math.inf

    def rows(self, count: int) -> int:
        """Returns about how many rows the decoder is going to see for `count` data."""
        plan, annealed = self.annealing, min(count, self.annealed)
        a_pass = plan.temperatures * plan.chains * plan.leapfrogs * annealed if plan else 0
        return count * (self.particles + self.elbo_particles) + PASSES * a_pass

    def compiles(self, count: int) -> bool:
        """Returns whether inner loops are to be compiled for `count` data."""
        if self.compile == "auto":
            return has_compiler() and self.rows(count) >= COMPILED_FROM
        return self.compile == "on"

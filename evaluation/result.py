"""What was measured on one run."""

import math
from dataclasses import dataclass, field
from functools import cached_property

from jaxtyping import Float64, Int
from torch import Tensor

from data.origins import Origins
from evaluation.bounds import Bounds, Tightest
from evaluation.codes import Codes, encode
from evaluation.diagnostics import Diagnostics
from evaluation.measured import Measured
from evaluation.notes import Note
from experiment import Run
from models.priors.base import Prior


@dataclass(frozen=True)
class Evaluation:
    """The terms of the ELBO per datum, in nats, the bounds on log p(x), and the diagnostics.

    `fingerprint` tells whether two runs were measured on the same values: their noise could have
    been drawn on another device. `notes` say what could not be measured, and why.
    `partial` names the stages that were wanted, and that the evaluation has not come to.
    """

    run: Run
    split: str
    reconstruction: Float64[Tensor, " data"]
    kl: Float64[Tensor, " data"]
    bounds: Bounds
    fingerprint: str
    diagnostics: Diagnostics
    notes: list[Note] = field(default_factory=list)
    partial: tuple[str, ...] = ()

    @property
    def num_examples(self) -> int:
        """How many data were measured."""
        return len(self.kl)

    @property
    def measured_on(self) -> str:
        """What was measured, in words: a split, or new data by the name of their file."""
        source = self.run.data(self.split).source
        return f"{self.split} split" if source is None else f"new data: {source}"

    @property
    def tightest(self) -> Tightest:
        """The name of the tightest estimate that covers all data: the exact value, or else IWAE."""
        return self.bounds.tightest_name

    @property
    def gap(self) -> Float64[Tensor, " data"] | None:
        """log p(x) − ELBO per datum, where log p(x) is known."""
        if self.bounds.exact is None:
            return None
        return self.bounds.exact.per_datum - self.bounds.elbo.per_datum

    @property
    def origins(self) -> Origins:
        """Where the data that were measured come from."""
        return self.run.data(self.split).origins.rows(slice(self.num_examples))

    @property
    def labels(self) -> Int[Tensor, " data"] | None:
        """The labels of the data that were measured, as numbers of the data set's classes."""
        labels = self.run.data(self.split).labels
        return None if labels is None else labels[: self.num_examples]

    @property
    def learns_prior(self) -> bool:
        """Whether p(z) has parameters."""
        priors = (part for part in self.run.model.modules() if isinstance(part, Prior))
        return any(True for prior in priors for _ in prior.parameters())

    @cached_property
    def codes(self) -> Codes:
        """E_q[z] of the data that were measured, for figures, pages and exports."""
        split = self.run.data(self.split)
        return encode(self.run.model, self.run.guide, split, self.num_examples)

    def bits_per_dim(self) -> Measured:
        """Returns −log₂ of the mass of the stored values per dimension, from the tightest estimate.

        A density of dequantized values is turned into one on the stored levels by their width
        (`quantum`). Its mean is then an upper bound on these bits (Theis et al. 2016).
        """
        data, best = self.run.dataset, self.bounds.tightest
        scale = data.dimensions * math.log(2)
        offset = -math.log2(data.quantum) if data.quantum is not None else 0.0
        return Measured(offset - best.mean / scale, best.standard_error / scale, best.num_examples)

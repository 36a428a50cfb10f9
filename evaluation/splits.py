"""log p(x) − ELBO, split into the family's part and the encoder's, on the data measured and on training data."""

from dataclasses import dataclass
from typing import Any, cast

from torch import Tensor, nn

from errors import RequestError
from evaluation.gap import Fit, GapSplit, deeper, split_gap
from evidence import Estimate
from evidence.estimate import Fitted, measured, paired
from guides.amortized import Amortized

SOURCES = {"exact": "exact", "ais": "AIS", "iwae": "IWAE"}
"""What log p(x) − ELBO is measured from, best first."""


@dataclass(frozen=True)
class Split:
    """The gap of some data of one split; `source` is one of SOURCES."""

    parts: GapSplit
    source: str

    @property
    def num_examples(self) -> int:
        """How many data the gap was measured on."""
        return self.parts.log_p.num_examples

    def explain(self) -> str:
        """The parts, how sure they are, and what would gain most."""
        parts = self.parts
        how = (
            "exact"
            if self.source == "exact"
            else f"from {SOURCES[self.source]}, a lower bound: the family's part reads low"
        )
        return (
            f"{parts.explain()[:-1]} (log p(x) {how}; ELBOs of {parts.same_family.particles} draws)"
        )

    def summary(self) -> dict[str, Any]:
        """Plain values."""
        parts = self.parts
        fitted = cast(Fitted, parts.same_family.details)
        plain: dict[str, Any] = {
            "from": self.source,
            "approximation": measured(parts.approximation),
            "amortization": measured(parts.amortisation),
            "restarts": fitted.restarts,
            "diverged": fitted.diverged,
        }
        if parts.richer_family is not None:
            plain["richer"] = {
                "gain": measured(paired(parts.richer_family, parts.same_family)),
                "converged": parts.richer_converged,
            }
        return plain


@dataclass(frozen=True)
class Splits:
    """By the name of the split; the first is the one that was evaluated."""

    by_split: dict[str, Split]

    def explain(self) -> str:
        """All of them in a sentence."""
        parts = [
            f"on {split.num_examples} {name} data {split.explain()}"
            for name, split in self.by_split.items()
        ]
        return f"The gap, ± s.e., paired per datum: {'; '.join(parts)}."

    def summary(self) -> dict[str, Any]:
        """Plain values for evaluation.json."""
        return {"gap": {name: split.summary() for name, split in self.by_split.items()}}


def check_splittable(guide: nn.Module) -> None:
    """Raise RequestError for a guide without an encoder that a free q could replace."""
    if not isinstance(guide, Amortized):
        raise RequestError(
            f"--gap: the guide {type(guide).__name__} cannot be split; it takes model=vae or model=gmvae"
        )


def split(
    model: nn.Module, guide: Amortized, x: Tensor, log_p: Estimate, source: str, fit: Fit
) -> Split:
    """The gap of `x` (N, *shape), of which `log_p` are the exact evidence or the best bound, as `source` says."""
    return Split(split_gap(model, guide, x, log_p.first(len(x)), deeper(guide, x), fit), source)

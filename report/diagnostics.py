"""Whether the numbers of an evaluation can be trusted, and what the latent dimensions are used for."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from evidence.diagnostics import LatentUsage, Reliability, latent_usage, reliability
from evidence.weights import draw

MOST_WEIGHED, MOST_COMPARED = 500, 200
"""How many data are looked at: each of the first by its weights, each pair of the second by q."""


@dataclass(frozen=True)
class Diagnostics:
    """`usage` is None for guides with several latent sites."""

    reliability: Reliability
    usage: LatentUsage | None

    def sentences(self) -> list[str]:
        """One sentence for each, with what to do about a bad value."""
        return [part.explain() for part in (self.reliability, self.usage) if part is not None]

    def as_json(self) -> dict[str, Any]:
        """Plain values for evaluation.json."""
        k, size = self.reliability.pareto_k, self.reliability.effective_size
        plain: dict[str, Any] = {
            "pareto_k": {
                "share_bad": self.reliability.bad,
                "threshold": self.reliability.threshold,
                "median": float(k.median()),
                "particles": self.reliability.particles,
                "num_examples": len(k),
            },
            "effective_sample_size": {"median": float(size.median()), "smallest": float(size.min())},
        }
        if self.usage is not None:
            plain["active_units"] = self.usage.active_units
            plain["latent_dim"] = len(self.usage.activity)
            plain["collapsed"] = self.usage.collapsed
            plain["mutual_information"] = self.usage.mutual_information
            plain["marginal_kl"] = None if self.usage.saturated else self.usage.marginal_kl
        return plain


@torch.no_grad()
def diagnose(model: Callable[..., Any], guide: Callable[..., Any], batch: tuple[Tensor, ...], particles: int) -> Diagnostics:
    """k̂ and effective sample size of the first 500 data; active units and information from the first 200."""
    weighed = reliability(model, guide, tuple(part[:MOST_WEIGHED] for part in batch), min(max(particles, 100), 1000))
    few = tuple(part[:MOST_COMPARED] for part in batch)
    one_latent = len(draw(model, guide, tuple(part[:1] for part in batch), 1).latents) == 1
    return Diagnostics(weighed, latent_usage(model, guide, few, draws=4) if one_latent else None)

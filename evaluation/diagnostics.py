"""Whether the numbers of an evaluation can be trusted, and what the latent dimensions are used for."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from jaxtyping import Float64
from torch import Tensor

from evaluation import bracket
from evaluation.splits import Splits
from evidence.diagnostics import Calibration, LatentUsage, Reliability, latent_usage, reliability
from evidence.estimate import measured, with_error
from evidence.weights import draw

MOST_WEIGHED, MOST_COMPARED = 500, 200
"""How many data are looked at: each of the first by its weights, each pair of the second by q."""
COLLAPSED_RATE = 0.1
"""Nats below which the code is called empty."""


class Explained(Protocol):
    """What every diagnostic says of itself."""

    def explain(self) -> str:
        """One sentence, with what to do about a bad value."""

    def summary(self) -> dict[str, Any]:
        """Plain values for evaluation.json."""


@dataclass(frozen=True)
class RateDistortion:
    """Rate KL(q(z|x)‖p(z)) and distortion −E_q[log p(x|z)] per datum, nats: their sum is −ELBO (Alemi et al. 2018).

    `particles` are the draws of z for each datum.
    """

    rate: Float64[Tensor, " data"]
    distortion: Float64[Tensor, " data"]
    particles: int

    def explain(self) -> str:
        """Both with their standard errors, and what they say about the code."""
        advice = (
            "the code says next to nothing: see whether the latents have collapsed"
            if self.rate.mean() < COLLAPSED_RATE
            else "more of the one buys less of the other at the same ELBO (objective=beta moves along)"
        )
        return (
            f"Rate {with_error(self.rate)}, distortion {with_error(self.distortion)} nats (± s.e., {len(self.rate):,} data, "
            f"{self.particles} draws each; their sum −ELBO is an upper bound on −log p(x)): {advice}."
        )

    def summary(self) -> dict[str, Any]:
        """Plain values for evaluation.json."""
        rate, distortion = measured(self.rate), measured(self.distortion)
        plain = {
            "rate": rate["mean"],
            "rate_se": rate["se"],
            "distortion": distortion["mean"],
            "distortion_se": distortion["se"],
        }
        return {
            "rate_distortion": plain | {"num_examples": len(self.rate), "particles": self.particles}
        }


@dataclass(frozen=True)
class Diagnostics:
    """`usage` is None for guides with several latent sites; the last three where they were not asked for."""

    reliability: Reliability
    usage: LatentUsage | None
    rate_distortion: RateDistortion
    annealing: bracket.Calibration | None = None
    gap: Splits | None = None
    calibration: Calibration | None = None

    @property
    def parts(self) -> list[Explained]:
        """Those that were measured."""
        every = (
            self.reliability,
            self.annealing,
            self.gap,
            self.rate_distortion,
            self.usage,
            self.calibration,
        )
        return [part for part in every if part is not None]

    def sentences(self) -> list[str]:
        """One for each."""
        return [part.explain() for part in self.parts]

    def as_json(self) -> dict[str, Any]:
        """Plain values for evaluation.json."""
        return {name: value for part in self.parts for name, value in part.summary().items()}


@torch.no_grad()
def weigh(
    model: Callable[..., Any], guide: Callable[..., Any], batch: tuple[Tensor, ...], particles: int
) -> Reliability:
    """k̂ and effective sample size of the first 500 data."""
    return reliability(
        model, guide, tuple(part[:MOST_WEIGHED] for part in batch), min(max(particles, 100), 1000)
    )


@torch.no_grad()
def usage(
    model: Callable[..., Any], guide: Callable[..., Any], batch: tuple[Tensor, ...]
) -> LatentUsage | None:
    """Active units and information from the first 200; None where the guide has several latent sites."""
    few = tuple(part[:MOST_COMPARED] for part in batch)
    one_latent = len(draw(model, guide, tuple(part[:1] for part in batch), 1).latents) == 1
    return latent_usage(model, guide, few, draws=4) if one_latent else None

"""A posterior with several modes: z ~ Σ_k π_k N(m_k, s²I), x|z ~ N(z, σ²I)."""

import math

import pyro.distributions as dist
import torch
from jaxtyping import Float, Float64
from torch import Tensor

from models.distributions import Distribution
from models.joints.base import Tractable


class GaussianMixture(Tractable):
    """A mixture observed in noise; between the m_k the posterior, a mixture too, has several modes.

    Arguments:
        centres: m, the means of the components.
        spread: s, the standard deviation of every component.
        noise: σ, the standard deviation of x given z.
        weights: numbers proportional to π; all are equal if None.
    """

    centres: Tensor
    weights: Tensor

    def __init__(
        self,
        centres: Float[Tensor, " K D"],
        spread: float,
        noise: float,
        weights: Float[Tensor, " K"] | None = None,
    ) -> None:
        super().__init__()
        weights = torch.ones(len(centres)) if weights is None else weights
        self.register_buffer("centres", centres.double())
        self.register_buffer("weights", weights.double() / weights.sum())
        self.spread, self.noise = spread, noise

    def prior(self) -> Distribution:
        return mixture(self.weights.log(), self.centres, self.spread)

    def conditional(self, z: Float[Tensor, " N D"]) -> Distribution:
        return dist.Normal(z.to(self.centres), self.noise).to_event(1)

    def log_prob(self, x: Float[Tensor, " N D"]) -> Float64[Tensor, " N"]:
        return self._log_joint(x.to(self.centres)).logsumexp(1)

    def posterior(self, x: Float[Tensor, " N D"]) -> Distribution:
        x = x.to(self.centres)
        total = self.spread**2 + self.noise**2
        loc = (self.noise**2 * self.centres + self.spread**2 * x.unsqueeze(1)) / total
        return mixture(self._log_joint(x), loc, self.spread * self.noise / math.sqrt(total))

    def _log_joint(self, x: Float64[Tensor, " N D"]) -> Float64[Tensor, " N K"]:
        """Returns log π_k + log p(x|k)."""
        marginal = dist.Normal(self.centres, math.hypot(self.spread, self.noise)).to_event(1)
        return self.weights.log() + marginal.log_prob(x.unsqueeze(1))


def mixture(
    logits: Float64[Tensor, " *batch K"], loc: Float64[Tensor, " *batch K D"], scale: float
) -> Distribution:
    """Returns the mixture of normals N(loc_k, scale²I) with unnormalised log-weights `logits`."""
    components = dist.Normal(loc, torch.full_like(loc, scale)).to_event(1)
    return dist.MixtureSameFamily(dist.Categorical(logits=logits), components)

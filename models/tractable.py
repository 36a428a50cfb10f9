"""Joints p(z) p(x|z) whose evidence log p(x) and posterior p(z|x) are known exactly: what every estimator is tested on.

Each is a Pyro program with the sites and the plate of `Generative`, so guides and estimators take it unchanged. All of
them compute in float64, whatever the data come in.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable

import pyro
import pyro.distributions as dist
import torch
from jaxtyping import Float, Float64
from torch import Tensor, nn

from models.generative import Generative
from models.likelihoods.gaussian import Gaussian
from models.priors.standard_normal import StandardNormal
from networks.mlp import MLP


class Tractable(nn.Module, ABC):
    """p(z) p(x|z) with a closed form for p(x) and p(z|x)."""

    @abstractmethod
    def prior(self) -> dist.TorchDistribution:
        """p(z): batch_shape (), event_shape (latent,)."""

    @abstractmethod
    def conditional(self, z: Float[Tensor, " N latent"]) -> dist.TorchDistribution:
        """p(x|z): batch_shape (N,), event_shape that of one datum."""

    @abstractmethod
    def log_prob(self, x: Float[Tensor, " N *shape"]) -> Float64[Tensor, " N"]:
        """log p(x) in nats, z integrated out."""

    @abstractmethod
    def posterior(self, x: Float[Tensor, " N *shape"]) -> dist.TorchDistribution:
        """p(z|x): batch_shape (N,), event_shape (latent,)."""

    def tractable(self) -> "Tractable":
        """Returns the joint itself."""
        return self

    def forward(self, x: Float[Tensor, " N *shape"]) -> Float[Tensor, " N *shape"]:
        """Sample z ~ p(z) and observe x ~ p(x|z), in the plate of the data; returns x."""
        with pyro.plate("data", len(x)):
            z = pyro.sample("z", self.prior())
            return pyro.sample("x", self.conditional(z), obs=x)


class Posterior(nn.Module):
    """A guide from a function of x, such as `joint.posterior`: q(z|x) with no encoder and nothing to train."""

    def __init__(self, posterior: Callable[[Tensor], dist.TorchDistribution]) -> None:
        super().__init__()
        self.posterior = posterior

    def forward(self, x: Float[Tensor, " N *shape"]) -> Float[Tensor, " N latent"]:
        """Sample z from the given posterior, in the plate of the data."""
        with pyro.plate("data", len(x)):
            return pyro.sample("z", self.posterior(x))


class ExactPosterior(Posterior):
    """The guide p(z|x) of a tractable joint: every weight p(x, z)/q(z|x) then *is* p(x)."""

    def __init__(self, joint: Tractable) -> None:
        super().__init__(joint.posterior)


class FactorAnalysis(Tractable):
    """z ~ N(0, I), x|z ~ N(Wz + μ, Ψ), Ψ = diag(`variance`); probabilistic PCA where Ψ = σ²I (Tipping & Bishop 1999).

    `weight` is W (dimensions, latent), `loc` is μ (*shape), `variance` broadcasts to `loc`; x has the shape of `loc`.
    With M = I + WᵀΨ⁻¹W the evidence is N(μ, WWᵀ + Ψ) and the posterior N(M⁻¹WᵀΨ⁻¹(x − μ), M⁻¹).
    """

    weight: Tensor
    loc: Tensor
    variance: Tensor

    def __init__(
        self,
        weight: Float[Tensor, " D latent"],
        loc: Float[Tensor, " *shape"],
        variance: Tensor | float,
    ) -> None:
        super().__init__()
        self.shape = loc.shape
        self.register_buffer("weight", weight.detach().double())
        self.register_buffer("loc", loc.detach().double().flatten())
        expanded = torch.as_tensor(variance, dtype=torch.float64, device=loc.device).expand(
            self.shape
        )
        self.register_buffer("variance", expanded.detach().flatten().clone())

    @property
    def posterior_precision(self) -> Float64[Tensor, " latent latent"]:
        """M = I + WᵀΨ⁻¹W, the same for every x."""
        identity = torch.eye(self.weight.shape[1], dtype=torch.float64, device=self.weight.device)
        return identity + self.weight.T @ (self.weight / self.variance.unsqueeze(1))

    def prior(self) -> dist.TorchDistribution:
        zeros = torch.zeros_like(self.weight[0])
        return dist.Normal(zeros, torch.ones_like(zeros)).to_event(1)

    def conditional(self, z: Float[Tensor, " N latent"]) -> dist.TorchDistribution:
        mean = z.to(self.weight) @ self.weight.T + self.loc
        return dist.Normal(
            mean.unflatten(-1, self.shape), self.variance.sqrt().reshape(self.shape)
        ).to_event(len(self.shape))

    def log_prob(self, x: Float[Tensor, " N *shape"]) -> Float64[Tensor, " N"]:
        marginal = torch.distributions.LowRankMultivariateNormal(
            self.loc, self.weight, self.variance
        )
        return marginal.log_prob(x.to(self.loc).flatten(1))

    def posterior_mean(self, x: Float[Tensor, " N *shape"]) -> Float64[Tensor, " N latent"]:
        """E[z|x]."""
        residual = (x.to(self.loc).flatten(1) - self.loc) / self.variance
        return torch.linalg.solve(self.posterior_precision, self.weight.T @ residual.T).T

    def posterior(self, x: Float[Tensor, " N *shape"]) -> dist.TorchDistribution:
        return dist.MultivariateNormal(
            self.posterior_mean(x), precision_matrix=self.posterior_precision
        )

    def best_mean_field(self, x: Float[Tensor, " N *shape"]) -> dist.TorchDistribution:
        """The q with independent dimensions that is closest to p(z|x) in KL(q‖p): its precisions are M_ii."""
        return dist.Normal(
            self.posterior_mean(x), self.posterior_precision.diagonal().rsqrt()
        ).to_event(1)

    def mean_field_gap(self) -> float:
        """log p(x) − ELBO under `best_mean_field`, in nats, the same for every x: ½(Σ log M_ii − log|M|)."""
        precision = self.posterior_precision
        return 0.5 * float(precision.diagonal().log().sum() - torch.logdet(precision))


def probabilistic_pca(data: Float[Tensor, " N D"], factors: int) -> tuple[FactorAnalysis, float]:
    """The model N(μ, WWᵀ + σ²I) of highest likelihood on `data`, and that log-likelihood in nats per datum.

    Tipping & Bishop 1999, eqs. 7 and 8: W = U(Λ − σ²I)^½ from the `factors` leading eigenvalues of the covariance and
    σ² the mean of the others. The covariance divides by N: dividing by N − 1 is not the maximum.
    """
    data = data.double()
    dimensions = data.shape[1]
    if not 0 <= factors < dimensions:
        raise ValueError(
            f"factors={factors}: must be at least 0 and below the {dimensions} dimensions of the data"
        )
    loc = data.mean(0)
    eigenvalues, vectors = torch.linalg.eigh((data - loc).T @ (data - loc) / len(data))
    variance = eigenvalues[: dimensions - factors].mean()
    leading = eigenvalues[dimensions - factors :]
    model = FactorAnalysis(
        vectors[:, dimensions - factors :] * (leading - variance).sqrt(), loc, variance
    )
    logdet = leading.log().sum() + (dimensions - factors) * variance.log()
    return model, -0.5 * float(dimensions * math.log(2 * math.pi) + logdet + dimensions)


@torch.no_grad()
def as_factor_analysis(model: object) -> FactorAnalysis | None:
    """`model` as the factor analysis that it is, or None: N(0, I) prior, linear decoder, Gaussian with one Ψ for all z."""
    if (
        type(model) is not Generative
        or type(model.prior) is not StandardNormal
        or type(model.likelihood) is not Gaussian
    ):
        return None
    if (
        type(model.decoder) is not MLP
        or len(model.decoder.hidden) > 0
        or model.decoder.out_shape != model.likelihood.shape
    ):
        return None
    linear = model.decoder.output
    noise = model.likelihood(linear.bias.reshape(1, *model.likelihood.shape)).base_dist
    if type(noise) is not dist.Normal:
        return None
    return FactorAnalysis(linear.weight, noise.loc[0], noise.scale[0].double() ** 2)


class BetaBernoulli(Tractable):
    """z ~ Beta(a, b), n coins with that bias: log p(x) = log B(a + s, b + n − s) − log B(a, b), s the number of ones."""

    def __init__(self, a: float, b: float, coins: int) -> None:
        super().__init__()
        self.a, self.b, self.coins = a, b, coins

    def prior(self) -> dist.TorchDistribution:
        return dist.Beta(_vector(self.a), _vector(self.b)).to_event(1)

    def conditional(self, z: Float[Tensor, " N 1"]) -> dist.TorchDistribution:
        return dist.Bernoulli(probs=z.expand(-1, self.coins)).to_event(1)

    def log_prob(self, x: Float[Tensor, " N coins"]) -> Float64[Tensor, " N"]:
        ones = x.double().sum(1)
        return _log_beta(self.a + ones, self.b + self.coins - ones) - _log_beta(
            _vector(self.a), _vector(self.b)
        )

    def posterior(self, x: Float[Tensor, " N coins"]) -> dist.TorchDistribution:
        ones = x.double().sum(1, keepdim=True)
        return dist.Beta(self.a + ones, self.b + self.coins - ones).to_event(1)


class GammaPoisson(Tractable):
    """z ~ Gamma(a, rate b), n counts with that mean; p(x) is a negative binomial spread over the n counts."""

    def __init__(self, a: float, b: float, counts: int) -> None:
        super().__init__()
        self.a, self.b, self.counts = a, b, counts

    def prior(self) -> dist.TorchDistribution:
        return dist.Gamma(_vector(self.a), _vector(self.b)).to_event(1)

    def conditional(self, z: Float[Tensor, " N 1"]) -> dist.TorchDistribution:
        return dist.Poisson(z.expand(-1, self.counts)).to_event(1)

    def log_prob(self, x: Float[Tensor, " N counts"]) -> Float64[Tensor, " N"]:
        x = x.double()
        total = x.sum(1)
        prior = self.a * math.log(self.b) - math.lgamma(self.a)
        posterior = torch.lgamma(self.a + total) - (self.a + total) * math.log(self.b + self.counts)
        return prior + posterior - torch.lgamma(x + 1).sum(1)

    def posterior(self, x: Float[Tensor, " N counts"]) -> dist.TorchDistribution:
        total = x.double().sum(1, keepdim=True)
        return dist.Gamma(self.a + total, torch.full_like(total, self.b + self.counts)).to_event(1)


class GaussianMixture(Tractable):
    """z ~ Σ_k π_k N(m_k, s²I), x|z ~ N(z, σ²I): the posterior is a mixture too, and has several modes between the m_k.

    `centres` is m (components, D); `spread` s and `noise` σ; π is `weights` (components,), uniform if None.
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

    def _mixture(self, logits: Tensor, loc: Tensor, scale: float) -> dist.TorchDistribution:
        components = dist.Normal(loc, torch.full_like(loc, scale)).to_event(1)
        return dist.MixtureSameFamily(dist.Categorical(logits=logits), components)

    def _responsibilities(self, x: Float64[Tensor, " N D"]) -> Float64[Tensor, " N K"]:
        """log π_k + log p(x|k): unnormalised."""
        marginal = dist.Normal(self.centres, math.hypot(self.spread, self.noise)).to_event(1)
        return self.weights.log() + marginal.log_prob(x.unsqueeze(1))

    def prior(self) -> dist.TorchDistribution:
        return self._mixture(self.weights.log(), self.centres, self.spread)

    def conditional(self, z: Float[Tensor, " N D"]) -> dist.TorchDistribution:
        return dist.Normal(z.to(self.centres), self.noise).to_event(1)

    def log_prob(self, x: Float[Tensor, " N D"]) -> Float64[Tensor, " N"]:
        return self._responsibilities(x.to(self.centres)).logsumexp(1)

    def posterior(self, x: Float[Tensor, " N D"]) -> dist.TorchDistribution:
        x = x.to(self.centres)
        total = self.spread**2 + self.noise**2
        loc = (self.noise**2 * self.centres + self.spread**2 * x.unsqueeze(1)) / total
        return self._mixture(
            self._responsibilities(x), loc, self.spread * self.noise / math.sqrt(total)
        )


def _vector(value: float) -> Float64[Tensor, " 1"]:
    return torch.tensor([value], dtype=torch.float64)


def _log_beta(a: Tensor, b: Tensor) -> Tensor:
    return torch.lgamma(a) + torch.lgamma(b) - torch.lgamma(a + b)

"""Factor analysis and probabilistic PCA: z ~ N(0, I), x|z ~ N(Wz + μ, Ψ)."""

import math

import pyro.distributions as dist
import torch
from jaxtyping import Float, Float64
from torch import Tensor

from models.distributions import Distribution
from models.joints.base import Tractable


class FactorAnalysis(Tractable):
    """z ~ N(0, I), x|z ~ N(Wz + μ, Ψ) with a diagonal Ψ.

    It is probabilistic PCA where Ψ = σ²I (Tipping & Bishop 1999). With M = I + WᵀΨ⁻¹W the evidence
    is N(μ, WWᵀ + Ψ) and the posterior N(M⁻¹WᵀΨ⁻¹(x − μ), M⁻¹).

    Arguments:
        weight: W.
        loc: μ; x has its shape, of D numbers in all.
        variance: the diagonal of Ψ, of a shape that broadcasts to that of μ.
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
        psi = torch.as_tensor(variance, dtype=torch.float64, device=loc.device).expand(self.shape)
        self.register_buffer("variance", psi.detach().flatten().clone())

    @property
    def posterior_precision(self) -> Float64[Tensor, " latent latent"]:
        """M = I + WᵀΨ⁻¹W, the same for every x."""
        identity = torch.eye(self.weight.shape[1], dtype=torch.float64, device=self.weight.device)
        return identity + self.weight.T @ (self.weight / self.variance.unsqueeze(1))

    def prior(self) -> Distribution:
        zeros = torch.zeros_like(self.weight[0])
        return dist.Normal(zeros, torch.ones_like(zeros)).to_event(1)

    def conditional(self, z: Float[Tensor, " N latent"]) -> Distribution:
        mean = (z.to(self.weight) @ self.weight.T + self.loc).unflatten(-1, self.shape)
        scale = self.variance.sqrt().reshape(self.shape)
        return dist.Normal(mean, scale).to_event(len(self.shape))

    def log_prob(self, x: Float[Tensor, " N *shape"]) -> Float64[Tensor, " N"]:
        marginal = dist.LowRankMultivariateNormal(self.loc, self.weight, self.variance)
        return marginal.log_prob(x.to(self.loc).flatten(1))

    def posterior_mean(self, x: Float[Tensor, " N *shape"]) -> Float64[Tensor, " N latent"]:
        residual = (x.to(self.loc).flatten(1) - self.loc) / self.variance
        return torch.linalg.solve(self.posterior_precision, self.weight.T @ residual.T).T

    def posterior(self, x: Float[Tensor, " N *shape"]) -> Distribution:
        mean = self.posterior_mean(x)
        return dist.MultivariateNormal(mean, precision_matrix=self.posterior_precision)

    def best_mean_field(self, x: Float[Tensor, " N *shape"]) -> Distribution:
        """Returns the q with independent dimensions and the smallest KL(q‖p(z|x)).

        Its mean is the posterior's, and its precisions are the M_ii.
        """
        scale = self.posterior_precision.diagonal().rsqrt()
        return dist.Normal(self.posterior_mean(x), scale).to_event(1)

    def mean_field_gap(self) -> float:
        """Returns log p(x) − ELBO under `best_mean_field`, in nats: ½(Σ log M_ii − log|M|)."""
        precision = self.posterior_precision
        return 0.5 * float(precision.diagonal().log().sum() - torch.logdet(precision))


def probabilistic_pca(data: Float[Tensor, " N D"], factors: int) -> tuple[FactorAnalysis, float]:
    """Fits N(μ, WWᵀ + σ²I) to `data` by maximum likelihood, in closed form.

    The solution is that of Tipping & Bishop 1999, eqs. 7 and 8: W = U(Λ − σ²I)^½ from the leading
    eigenvalues of the covariance, σ² the mean of the others. The covariance divides by N; with
    N − 1 the likelihood would not be at its maximum.

    Arguments:
        data: the data, one a row.
        factors: the number of columns of W.

    Returns:
        The model, and its log-likelihood in nats per datum.

    Raises:
        ValueError: `factors` is negative, or not below the number of dimensions.
    """
    data = data.double()
    dimensions = data.shape[1]
    if not 0 <= factors < dimensions:
        raise ValueError(
            f"factors={factors}: must be from 0 to {dimensions - 1}, one less than the data have"
        )
    loc = data.mean(0)
    eigenvalues, vectors = torch.linalg.eigh((data - loc).T @ (data - loc) / len(data))
    variance = eigenvalues[: dimensions - factors].mean()
    leading = eigenvalues[dimensions - factors :]
    weight = vectors[:, dimensions - factors :] * (leading - variance).sqrt()
    model = FactorAnalysis(weight, loc, variance)
    logdet = leading.log().sum() + (dimensions - factors) * variance.log()
    return model, -0.5 * float(dimensions * math.log(2 * math.pi) + logdet + dimensions)

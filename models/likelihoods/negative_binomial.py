"""p(x|z) = Π NB(x_i; mean μ_i, dispersion r_i), for counts that vary more than a Poisson: variance μ + μ²/r."""

import pyro.distributions as dist
import torch
from jaxtyping import Float
from torch import Tensor, nn

from models.likelihoods.base import Likelihood, inverse_softplus, positive, softplus_start


class NegativeBinomial(Likelihood):
    """Independent counts with means μ = softplus(h) and one learned dispersion r per dimension, shared by all z."""

    spaces = ("counts",)

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__(shape)
        self.raw_dispersion = nn.Parameter(torch.full(self.shape, inverse_softplus(2.0)))

    def forward(self, h: Float[Tensor, " N *shape"]) -> dist.TorchDistribution:
        dispersion = positive(self.raw_dispersion)
        logits = positive(h).log() - dispersion.log()
        return dist.NegativeBinomial(dispersion, logits=logits).to_event(len(self.shape))

    def start(self, mean: Float[Tensor, " *shape"]) -> Float[Tensor, " *shape"]:
        return softplus_start(mean, least=1e-2)

    def mean(self, h: Float[Tensor, " N *shape"]) -> Float[Tensor, " N *shape"]:
        return positive(h)

"""p(x|z) = Π NB(x_i; mean μ_i, dispersion r_i): counts of variance μ + μ²/r, above a Poisson's."""

import pyro.distributions as dist
import torch
from jaxtyping import Float
from torch import Tensor, nn

from models.distributions import Distribution
from models.distributions.softplus import inverse_softplus, positive, softplus_start
from models.likelihoods.base import Likelihood


class NegativeBinomial(Likelihood):
    """Independent counts with means μ = softplus(h), and one learned r per dimension for all z."""

    spaces = ("counts",)

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__(shape)
        self.raw_dispersion = nn.Parameter(torch.full(self.shape, inverse_softplus(2.0)))

    def forward(self, h: Float[Tensor, " N *shape"]) -> Distribution:
        dispersion = positive(self.raw_dispersion)
        logits = positive(h).log() - dispersion.log()
        return dist.NegativeBinomial(dispersion, logits=logits).to_event(len(self.shape))

    def start(self, mean: Float[Tensor, " *shape"]) -> Float[Tensor, " *shape"]:
        return softplus_start(mean, least=1e-2)

    def mean(self, h: Float[Tensor, " N *shape"]) -> Float[Tensor, " N *shape"]:
        return positive(h)

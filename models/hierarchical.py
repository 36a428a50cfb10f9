"""Two stochastic layers: p_θ(x, z1, z2) = p(z2) p_θ(z1|z2) p_θ(x|z1, z2)."""

import math

import pyro
import torch
from jaxtyping import Float
from torch import Tensor, nn

from models.likelihoods.base import Likelihood
from models.priors.base import Prior


class Hierarchical(nn.Module):
    """The joint as a Pyro program, in which z1 is the layer next to x, and z2 the top layer.

    Arguments:
        prior: p(z2).
        top_down: the network from z2 to the parameters of p_θ(z1|z2).
        middle: makes p_θ(z1|z2) of these parameters, as a posterior family does.
        decoder: the network from z1 and z2, in this order, to the parameters of p_θ(x|z1, z2).
        likelihood: makes p_θ(x|z1, z2) of these parameters.
    """

    def __init__(
        self,
        prior: Prior,
        top_down: nn.Module,
        middle: nn.Module,
        decoder: nn.Module,
        likelihood: Likelihood,
    ) -> None:
        super().__init__()
        self.prior, self.top_down, self.middle = prior, top_down, middle
        self.decoder, self.likelihood = decoder, likelihood

    def forward(self, x: Float[Tensor, " N *shape"]) -> Float[Tensor, " N *shape"]:
        """Samples z2 ~ p(z2) and z1 ~ p_θ(z1|z2), observes x ~ p_θ(x|z1, z2), and returns x."""
        with pyro.plate("data", len(x)):
            z2 = pyro.sample("z2", self.prior())
            z1 = pyro.sample("z1", self.middle(self.top_down(z2)))
            h = self.decoder(torch.cat([z1, z2], dim=-1))
            return pyro.sample("x", self.likelihood(h), obs=x)

    @property
    def floats_per_datum(self) -> int:
        """How many parameters of p_θ(x|z1, z2) the decoder makes for one datum."""
        return math.prod(self.likelihood.parameter_shape)

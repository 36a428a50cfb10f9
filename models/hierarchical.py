"""Two stochastic layers: p_θ(x, z1, z2) = p(z2) p_θ(z1|z2) p_θ(x|z1, z2)."""

import math
from typing import cast

import pyro
import torch
from jaxtyping import Float
from torch import Tensor, nn

from models.likelihoods.base import Likelihood


class Hierarchical(nn.Module):
    """The joint as a Pyro program; z1 is the layer beside x, z2 the top, whose prior is any `prior()`.

    `middle(h)` is the distribution of z1 given h = `top_down(z2)`; `decoder` sees both, z1 first.
    """

    def __init__(
        self,
        prior: nn.Module,
        top_down: nn.Module,
        middle: nn.Module,
        decoder: nn.Module,
        likelihood: nn.Module,
    ) -> None:
        super().__init__()
        self.prior, self.top_down, self.middle = prior, top_down, middle
        self.decoder, self.likelihood = decoder, likelihood

    def forward(self, x: Float[Tensor, " N *shape"]) -> Float[Tensor, " N *shape"]:
        """Sample z2 ~ p(z2) and z1 ~ p_θ(z1|z2), observe x ~ p_θ(x|z1, z2), in the plate of the data; returns x."""
        with pyro.plate("data", len(x)):
            z2 = pyro.sample("z2", self.prior())
            z1 = pyro.sample("z1", self.middle(self.top_down(z2)))
            h = self.decoder(torch.cat([z1, z2], dim=-1))
            return pyro.sample("x", self.likelihood(h), obs=x)

    @property
    def floats_per_datum(self) -> int:
        """The number of parameters that the likelihood has for one datum."""
        return math.prod(cast(Likelihood, self.likelihood).parameter_shape)

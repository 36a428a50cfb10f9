"""The generative model given a label: p_θ(x, z|y) = p(z) p_θ(x|z, y)."""

import math
from typing import cast

import pyro
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from models.likelihoods.base import Likelihood


class Conditional(nn.Module):
    """The joint of x and z given y as a Pyro program; the decoder sees z and the label, one of `classes`."""

    def __init__(
        self, prior: nn.Module, decoder: nn.Module, likelihood: nn.Module, classes: int
    ) -> None:
        super().__init__()
        self.prior, self.decoder, self.likelihood, self.classes = (
            prior,
            decoder,
            likelihood,
            classes,
        )

    def forward(
        self, x: Float[Tensor, " N *shape"], y: Int[Tensor, " N"]
    ) -> Float[Tensor, " N *shape"]:
        """Sample z ~ p(z) and observe x ~ p_θ(x|z, y), in the plate of the data; returns x."""
        with pyro.plate("data", len(x)):
            z = pyro.sample("z", self.prior())
            h = self.decoder(torch.cat([z, F.one_hot(y, self.classes).to(z)], dim=-1))
            return pyro.sample("x", self.likelihood(h), obs=x)

    @property
    def floats_per_datum(self) -> int:
        """The number of parameters that the likelihood has for one datum."""
        return math.prod(cast(Likelihood, self.likelihood).parameter_shape)

"""The generative model: p_θ(x, z) = p(z) p_θ(x|z)."""

import math
from typing import TYPE_CHECKING, cast

import pyro
from jaxtyping import Float
from torch import Tensor, nn

from models.likelihoods.base import Likelihood

if TYPE_CHECKING:
    from models.tractable import Tractable


class Generative(nn.Module):
    """The joint as a Pyro program. `prior()` and `likelihood(h)` return distributions over one datum's z and x."""

    def __init__(self, prior: nn.Module, decoder: nn.Module, likelihood: nn.Module) -> None:
        super().__init__()
        self.prior, self.decoder, self.likelihood = prior, decoder, likelihood

    def forward(self, x: Float[Tensor, " N *shape"]) -> Float[Tensor, " N *shape"]:
        """Sample z ~ p(z) and observe x ~ p_θ(x|z), in the plate of the data; returns x."""
        with pyro.plate("data", len(x)):
            z = pyro.sample("z", self.prior())  # z ~ p(z)
            return pyro.sample("x", self.likelihood(self.decoder(z)), obs=x)  # x ~ p_θ(x|z)

    @property
    def floats_per_datum(self) -> int:
        """The number of parameters that the likelihood has for one datum."""
        return math.prod(cast(Likelihood, self.likelihood).parameter_shape)

    def tractable(self) -> "Tractable | None":
        """Returns the factor analysis that this model is, or None if it is none."""
        from models.tractable import as_factor_analysis

        return as_factor_analysis(self)

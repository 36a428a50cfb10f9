"""The generative model: p_θ(x, z) = p(z) p_θ(x|z)."""

import math

import pyro
from jaxtyping import Float
from torch import Tensor, nn

from models.joints.factor_analysis import FactorAnalysis
from models.likelihoods.base import Likelihood
from models.linear_gaussian import as_factor_analysis
from models.priors.base import Prior


class Generative(nn.Module):
    """The joint of x and z as a Pyro program; `decoder` maps z to the parameters of p_θ(x|z)."""

    def __init__(self, prior: Prior, decoder: nn.Module, likelihood: Likelihood) -> None:
        super().__init__()
        self.prior, self.decoder, self.likelihood = prior, decoder, likelihood

    def forward(self, x: Float[Tensor, " N *shape"]) -> Float[Tensor, " N *shape"]:
        """Samples z ~ p(z) and observes x ~ p_θ(x|z), in the plate of the data; returns x."""
        with pyro.plate("data", len(x)):
            z = pyro.sample("z", self.prior())  # z ~ p(z)
            return pyro.sample("x", self.likelihood(self.decoder(z)), obs=x)  # x ~ p_θ(x|z)

    def tractable(self) -> FactorAnalysis | None:
        """Returns the factor analysis that this model is, or None if it is none."""
        if type(self) is not Generative:
            return None  # a subclass may be another joint
        return as_factor_analysis(self.prior, self.decoder, self.likelihood)

    @property
    def floats_per_datum(self) -> int:
        """How many parameters of p_θ(x|z) the decoder makes for one datum."""
        return math.prod(self.likelihood.parameter_shape)

"""The generative model given a label: p_θ(x, z|y) = p(z) p_θ(x|z, y)."""

import math

import pyro
from jaxtyping import Float, Int
from torch import Tensor, nn

from models.distributions import Distribution, laid_out
from models.likelihoods.base import Likelihood
from models.priors.base import Prior
from networks.labelled import with_label


class Conditional(nn.Module):
    """The joint of x and z given y as a Pyro program; `decoder` reads z and y, one of `classes`."""

    def __init__(
        self, prior: Prior, decoder: nn.Module, likelihood: Likelihood, classes: int
    ) -> None:
        super().__init__()
        self.prior, self.decoder, self.likelihood = prior, decoder, likelihood
        self.classes = classes

    def forward(
        self, x: Float[Tensor, " N *shape"], y: Int[Tensor, " N"]
    ) -> Float[Tensor, " N *shape"]:
        """Samples z ~ p(z) and observes x ~ p_θ(x|z, y), in the plate of the data; returns x."""
        with pyro.plate("data", len(x)):
            z = pyro.sample("z", self.prior())
            return pyro.sample("x", self.law(z, y), obs=x)

    def law(self, z: Float[Tensor, " *z"], y: Int[Tensor, " *y"]) -> Distribution:
        """Returns p_θ(x|z, y) in the batch of z and y."""
        rows, batch = with_label(z, y, self.classes)
        return laid_out(self.likelihood(self.decoder(rows)), batch, z.dtype)

    @property
    def floats_per_datum(self) -> int:
        """How many parameters of p_θ(x|z, y) the decoder makes for one datum."""
        return math.prod(self.likelihood.parameter_shape)

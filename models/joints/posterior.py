"""Guides without an encoder: a posterior that is given as a function of x."""

from collections.abc import Callable

import pyro
from jaxtyping import Float
from torch import Tensor, nn

from models.distributions import Distribution
from models.joints.base import Tractable


class Posterior(nn.Module):
    """The guide q(z|x) = `posterior(x)`, in which nothing is trained."""

    def __init__(self, posterior: Callable[[Tensor], Distribution]) -> None:
        super().__init__()
        self.posterior = posterior

    def forward(self, x: Float[Tensor, " N *shape"]) -> Float[Tensor, " N latent"]:
        """Samples z from the given posterior, in the plate of the data."""
        with pyro.plate("data", len(x)):
            return pyro.sample("z", self.posterior(x))


class ExactPosterior(Posterior):
    """The guide p(z|x) of a tractable joint: every weight p(x, z)/q(z|x) then equals p(x)."""

    def __init__(self, joint: Tractable) -> None:
        super().__init__(joint.posterior)

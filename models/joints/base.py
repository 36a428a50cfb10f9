"""What every joint with a known evidence declares."""

from abc import ABC, abstractmethod

import pyro
import torch
from jaxtyping import Float, Float64
from torch import Tensor, nn

from models.distributions import Distribution


class Tractable(nn.Module, ABC):
    """p(z) p(x|z) with a closed form for p(x) and p(z|x)."""

    @abstractmethod
    def prior(self) -> Distribution:
        """Returns p(z): batch_shape (), event_shape (latent,)."""

    @abstractmethod
    def conditional(self, z: Float[Tensor, " N latent"]) -> Distribution:
        """Returns p(x|z): batch_shape (N,), event_shape that of one datum."""

    @abstractmethod
    def log_prob(self, x: Float[Tensor, " N *shape"]) -> Float64[Tensor, " N"]:
        """Returns log p(x) in nats, z integrated out."""

    @abstractmethod
    def posterior(self, x: Float[Tensor, " N *shape"]) -> Distribution:
        """Returns p(z|x): batch_shape (N,), event_shape (latent,)."""

    def tractable(self) -> "Tractable":
        """Returns the joint whose `log_prob` is the evidence of this model: the model itself."""
        return self

    def forward(self, x: Float[Tensor, " N *shape"]) -> Float[Tensor, " N *shape"]:
        """Samples z ~ p(z) and observes x ~ p(x|z), in the plate of the data; returns x."""
        with pyro.plate("data", len(x)):
            z = pyro.sample("z", self.prior())
            return pyro.sample("x", self.conditional(z), obs=x)


def vector(value: float) -> Float64[Tensor, " 1"]:
    """Returns `value` as the parameter of a distribution over one latent dimension."""
    return torch.tensor([value], dtype=torch.float64)

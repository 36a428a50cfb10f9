"""The bottom-up guide of two layers: q_φ(z1|x) q_φ(z2|z1)."""

import pyro
import pyro.distributions as dist
from jaxtyping import Float
from torch import Tensor, nn


class BottomUp(nn.Module):
    """The guide as a Pyro program: the layer beside x first, as an encoder reads it."""

    def __init__(
        self, encoder: nn.Module, family: nn.Module, top_encoder: nn.Module, top_family: nn.Module
    ) -> None:
        super().__init__()
        self.encoder, self.family, self.top_encoder, self.top_family = (
            encoder,
            family,
            top_encoder,
            top_family,
        )

    def forward(self, x: Float[Tensor, " N *shape"]) -> Float[Tensor, " N latent2"]:
        """Sample z1 ~ q_φ(z1|x), then z2 ~ q_φ(z2|z1), in the plate of the data."""
        with pyro.plate("data", len(x)):
            z1 = pyro.sample("z1", self.posterior(x))
            return pyro.sample("z2", self.top_posterior(z1))

    def posterior(self, x: Float[Tensor, " N *shape"]) -> dist.TorchDistribution:
        """q_φ(z1|x): batch_shape (N,), event_shape (latent,)."""
        return self.family(self.encoder(x))

    def top_posterior(self, z1: Float[Tensor, " N latent"]) -> dist.TorchDistribution:
        """q_φ(z2|z1): batch_shape (N,), event_shape (latent2,)."""
        return self.top_family(self.top_encoder(z1))

"""The amortized guide given a label: q_φ(z|x, y)."""

import pyro
import pyro.distributions as dist
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn


class ConditionalAmortized(nn.Module):
    """The guide as a Pyro program. `encoder` makes features of x; `head` makes the family's h of features and label."""

    def __init__(
        self, encoder: nn.Module, head: nn.Module, family: nn.Module, classes: int
    ) -> None:
        super().__init__()
        self.encoder, self.head, self.family, self.classes = encoder, head, family, classes

    def forward(
        self, x: Float[Tensor, " N *shape"], y: Int[Tensor, " N"]
    ) -> Float[Tensor, " N latent"]:
        """Sample z ~ q_φ(z|x, y) at site `z`, in the plate of the data."""
        with pyro.plate("data", len(x)):
            return pyro.sample("z", self.posterior(x, y))

    def posterior(
        self, x: Float[Tensor, " N *shape"], y: Int[Tensor, " N"]
    ) -> dist.TorchDistribution:
        """q_φ(z|x, y): batch_shape (N,), event_shape (latent,)."""
        label = F.one_hot(y, self.classes).to(x)
        return self.family(self.head(torch.cat([self.encoder(x), label], dim=-1)))

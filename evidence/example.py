"""A pair whose numbers are all known, for the examples of this package.

z ~ N(0, 1) and x|z ~ N(z, 1), so p(x) = N(x; 0, 2) and p(z|x) = N(x/2, 1/2). The guide is too wide,
q(z|x) = N(x/2, 1), which makes the ELBO KL(q‖p(z|x)) = ½(1 − log 2) = 0.153 nats too low.
"""

import pyro
import pyro.distributions as dist
import torch
from torch import Tensor, nn

x = torch.tensor([[-2.0], [0.0], [1.0]])


def model(x: Tensor) -> None:
    """Draws z ~ N(0, 1) and observes x ~ N(z, 1)."""
    with pyro.plate("data", len(x)):
        z = pyro.sample("z", dist.Normal(torch.zeros(1), 1.0).to_event(1))
        pyro.sample("x", dist.Normal(z, 1.0).to_event(1), obs=x)


def guide(x: Tensor) -> None:
    """Draws z from N(x/2, 1) for every datum."""
    with pyro.plate("data", len(x)):
        pyro.sample("z", dist.Normal(x / 2, 1.0).to_event(1))


class Pair(nn.Module):
    """The same model beside a guide that is learned: q(z|x) = N(ax, s²)."""

    def __init__(self) -> None:
        super().__init__()
        self.slope, self.log_scale = nn.Parameter(torch.zeros(())), nn.Parameter(torch.zeros(()))

    def model(self, x: Tensor) -> None:
        """Draws z ~ N(0, 1) and observes x ~ N(z, 1)."""
        model(x)

    def guide(self, x: Tensor) -> None:
        """Draws z from N(ax, s²) for every datum."""
        with pyro.plate("data", len(x)):
            q = dist.Normal(self.slope * x, self.log_scale.exp())
            pyro.sample("z", q.to_event(1))

"""Gradients of objectives for the guide's shift, on a pair whose best guide is known.

Rainforth et al. 2018, section 4: z ~ N(μ, I), x|z ~ N(z, I), q(z|x) = N(x/2 + b, ⅔ I). The best b
is μ/2; the guide is given that plus 0.3 in every dimension.
"""

import pyro
import pyro.distributions as dist
import torch
from jaxtyping import Float64
from torch import Tensor, nn

from inference.objectives.base import Objective

DIMENSIONS, DATA, OFFSET = 4, 128, 0.3


class Model(nn.Module):
    """z ~ N(μ, I), x|z ~ N(z, I)."""

    loc: Tensor

    def __init__(self, loc: Tensor) -> None:
        super().__init__()
        self.register_buffer("loc", loc)

    def forward(self, x: Tensor) -> Tensor:
        with pyro.plate("data", len(x)):
            z = pyro.sample("z", dist.Normal(self.loc, 1.0).expand((DIMENSIONS,)).to_event(1))
            return pyro.sample("x", dist.Normal(z, 1.0).to_event(1), obs=x)


class Guide(nn.Module):
    """q(z|x) = N(x/2 + b, ⅔ I)."""

    def __init__(self, shift: Tensor) -> None:
        super().__init__()
        self.shift = nn.Parameter(shift)

    def forward(self, x: Tensor) -> Tensor:
        with pyro.plate("data", len(x)):
            q = dist.Normal(x / 2 + self.shift, (2 / 3) ** 0.5).to_event(1)
            return pyro.sample("z", q)


def gradients(
    objective: Objective, count: int, seed: int, data: int = DATA
) -> Float64[Tensor, " count dimensions"]:
    """Returns `count` independent gradients for the shift, of the same data."""
    generator = torch.Generator().manual_seed(0)
    loc = torch.randn(DIMENSIONS, generator=generator, dtype=torch.float64)
    noise = torch.randn(2, data, DIMENSIONS, generator=generator, dtype=torch.float64)
    x = loc + noise.sum(0)
    model, guide = Model(loc), Guide(loc / 2 + OFFSET)
    torch.manual_seed(seed)
    found: list[Tensor] = []
    with pyro.validation_enabled(False):
        for _ in range(count):
            guide.shift.grad = None
            objective.differentiable_loss(model, guide, x).backward()
            assert guide.shift.grad is not None
            found.append(guide.shift.grad / data)
    return torch.stack(found)

"""p(z) = (1/K) Σ_k q(z|u_k) at K learned pseudo-inputs u_k (Tomczak & Welling 2018, eq. 9)."""

from collections.abc import Callable
from typing import ClassVar

import pyro.distributions as dist
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.distributions import constraints, transform_to

from models.distributions import Distribution, SharedMixture
from models.priors.base import Prior

# Pseudo-inputs start at least this share of the domain's length away from its ends.
MARGIN = 0.01


class Vamp(Prior):
    """The VampPrior. The pseudo-inputs are parameters of the prior; those of q stay the guide's.

    Arguments:
        posterior: the guide's u ↦ q(z|u). The prior calls it and does not own it: a module kept
            here would be saved and trained twice.
        examples: K ↦ K data, at which the pseudo-inputs start.
        domain: the set that data lie in, which pseudo-inputs never leave.
        components: K.
    """

    weights: Tensor
    needs_warm_up: ClassVar[bool] = True

    def __init__(
        self,
        posterior: Callable[[Tensor], Distribution],
        examples: Callable[[int], Tensor],
        domain: constraints.Constraint = constraints.real,
        components: int = 500,
    ) -> None:
        super().__init__()
        if components < 1:
            raise ValueError(f"components={components}: must be at least 1")
        self.posterior, self.domain = posterior, domain
        start = inside(examples(components), domain)
        self.raw_inputs = nn.Parameter(transform_to(domain).inv(start))
        self.register_buffer("weights", torch.ones(components), persistent=False)

    @property
    def pseudo_inputs(self) -> Float[Tensor, " components *shape"]:
        """u_1, …, u_K, in the units and the range of x."""
        return transform_to(self.domain)(self.raw_inputs)

    @property
    def note(self) -> str | None:
        if not isinstance(self.posterior(self.pseudo_inputs[:1]), dist.TransformedDistribution):
            return None
        count = len(self.weights)
        return f"the guide's flow is inverted for each of {count} components: fewer are faster"

    def forward(self) -> Distribution:
        return SharedMixture(dist.Categorical(self.weights), self.posterior(self.pseudo_inputs))


def inside(x: Float[Tensor, " *batch"], domain: constraints.Constraint) -> Float[Tensor, " *batch"]:
    """Moves `x` off the ends of `domain`, where the unconstrained parameter would be infinite."""
    if isinstance(domain, constraints.interval | constraints.half_open_interval):
        margin = MARGIN * (domain.upper_bound - domain.lower_bound)
        return x.clamp(domain.lower_bound + margin, domain.upper_bound - margin)
    if isinstance(domain, constraints.greater_than | constraints.greater_than_eq):
        return x.clamp(min=domain.lower_bound + MARGIN)
    return x

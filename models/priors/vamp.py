"""p(z) = (1/K) Σ_k q(z|u_k): the guide's posteriors at K learned pseudo-inputs (Tomczak & Welling 2018, eq. 9)."""

from collections.abc import Callable

import pyro.distributions as dist
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.distributions import constraints, transform_to

from errors import RequestError
from models.mixtures import SharedMixture

MARGIN = 0.01


class Vamp(nn.Module):
    """The VampPrior. The pseudo-inputs are parameters of this prior; q's parameters stay the guide's.

    `posterior(u)` is the guide's, called and never owned: a module kept here would be saved and trained twice.
    `examples(K)` are data to start from, and `domain` is the set that data lie in; pseudo-inputs never leave it.
    """

    weights: Tensor

    def __init__(
        self,
        posterior: Callable[[Tensor], dist.TorchDistribution],
        examples: Callable[[int], Tensor],
        domain: constraints.Constraint = constraints.real,
        components: int = 500,
    ) -> None:
        super().__init__()
        if components < 1:
            raise RequestError(f"prior.components={components}: must be at least 1")
        self.posterior, self.domain = posterior, domain
        self.raw_inputs = nn.Parameter(
            transform_to(domain).inv(inside(examples(components), domain))
        )
        self.register_buffer("weights", torch.ones(components), persistent=False)

    @property
    def pseudo_inputs(self) -> Float[Tensor, " components *shape"]:
        """u_1, …, u_K, in the units and the range of x."""
        return transform_to(self.domain)(self.raw_inputs)

    @property
    def note(self) -> str:
        """What to know before training: the warm-up of Tomczak & Welling 2018, and what the components of a flow cost."""
        warm = "prior: vamp wants a warm-up of the KL, or the rate stays low: objective=beta objective.warmup_epochs=…"
        if not isinstance(self.posterior(self.pseudo_inputs[:1]), dist.TransformedDistribution):
            return warm
        return f"{warm}; the guide's flow is inverted for each of {len(self.weights)} components: fewer are faster"

    def forward(self) -> dist.TorchDistribution:
        return SharedMixture(dist.Categorical(self.weights), self.posterior(self.pseudo_inputs))


def inside(x: Tensor, domain: constraints.Constraint) -> Tensor:
    """`x` moved off the ends of `domain`, where the unconstrained parameter would be infinite: only where training starts."""
    low, high = getattr(domain, "lower_bound", None), getattr(domain, "upper_bound", None)
    if low is not None and high is not None:
        return x.clamp(low + MARGIN * (high - low), high - MARGIN * (high - low))
    return x if low is None else x.clamp(min=low + MARGIN)

"""A discrete cluster label: p_θ(x, z, y) = p(y) p(z|y) p_θ(x|z), with a prior that is a mixture over y."""

from typing import Any

import pyro
import pyro.distributions as dist
import torch
from jaxtyping import Float, Int
from torch import Tensor

from models.generative import Generative
from models.mixtures import component_log_probs


class Clustered(Generative):
    """A Generative whose `prior()` is a mixture, with the mixture's component y made a variable.

    Called as it is, y is summed in closed form, p(z) = Σ_y p(y) p(z|y): a model of x and z alone, whose evidence can be
    computed like any other's. `joint` is the same model with y as a site, for Pyro's enumeration (TraceEnum_ELBO).
    """

    def joint(self, x: Float[Tensor, " N *shape"]) -> Float[Tensor, " N *shape"]:
        """The program with y, which enumeration sums out exactly; the guide has no site y."""
        mixture = self.prior()
        with pyro.plate("data", len(x)):
            y = pyro.sample("y", mixture.mixture_distribution, infer={"enumerate": "parallel"})
            z = pyro.sample("z", Component(mixture.component_distribution, y))  # z ~ p(z|y)
            return pyro.sample("x", self.likelihood(self.decoder(z)), obs=x)

    def cluster_probabilities(self, z: Float[Tensor, " N latent"]) -> Float[Tensor, " N clusters"]:
        """p(y|z), which is p(y|z, x) too: x depends on y through z alone."""
        mixture = self.prior()
        log_joint = mixture.mixture_distribution.logits + component_log_probs(
            mixture.component_distribution, z
        )
        return torch.softmax(log_joint, dim=-1).to(z)


class Component(dist.TorchDistribution):
    """Number y of the distributions `components` (batch_shape (clusters,)): p(z|y) for y of any shape."""

    arg_constraints: dict[str, Any] = {}  # noqa: RUF012 - torch's own convention

    def __init__(self, components: dist.TorchDistribution, y: Int[Tensor, " *batch"]) -> None:
        self.components, self.y = components, y
        super().__init__(y.shape, components.event_shape, validate_args=False)

    @property
    def support(self) -> Any:
        """That of the components."""
        return self.components.support

    def expand(self, batch_shape: Any, _instance: Any = None) -> "Component":
        return Component(self.components, self.y.expand(batch_shape))

    def log_prob(self, value: Float[Tensor, " *batch event"]) -> Float[Tensor, " *batch"]:
        """log p(z|y), nats: of all components, the one that y names."""
        each = component_log_probs(self.components, value).to(value)
        shape = torch.broadcast_shapes(each.shape[:-1], self.y.shape)
        return each.expand(*shape, -1).gather(-1, self.y.expand(shape).unsqueeze(-1)).squeeze(-1)

    @torch.no_grad()
    def sample(self, sample_shape: Any = ()) -> Float[Tensor, " *batch event"]:
        """z ~ p(z|y): of a draw from each component, the one that y names."""
        shape = torch.Size(sample_shape) + self.y.shape
        each = self.components.sample(shape)
        index = self.y.expand(shape)[..., None, None].expand(*shape, 1, each.shape[-1])
        return each.gather(-2, index).squeeze(-2)

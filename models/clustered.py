"""A discrete cluster label y: p_θ(x, z, y) = p(y) p(z|y) p_θ(x|z)."""

import pyro
import pyro.distributions as dist
import torch
from jaxtyping import Float
from torch import Tensor

from models.distributions import Component, Distribution, Shape, component_log_probs
from models.generative import Generative


class Clustered(Generative):
    """A `Generative` whose prior is a mixture, with the component y made a variable.

    Called as it is, it sums y out in closed form, p(z) = Σ_y p(y) p(z|y): a model of x and z alone,
    whose evidence is computed like any other's. `joint` is the same model with y as a site, for
    Pyro's enumeration (TraceEnum_ELBO).
    """

    def joint(self, x: Float[Tensor, " N *shape"]) -> Float[Tensor, " N *shape"]:
        """Runs the program with the site y, which enumeration sums out; the guide has no site y."""
        mixture = self.prior()
        with pyro.plate("data", len(x)):
            y = pyro.sample("y", mixture.mixture_distribution, infer={"enumerate": "parallel"})
            z = pyro.sample("z", Component(mixture.component_distribution, y))  # z ~ p(z|y)
            law = Rounded(self.likelihood(self.decoder(z)), z.dtype)
            return pyro.sample("x", law, obs=x)

    def cluster_probabilities(self, z: Float[Tensor, " N latent"]) -> Float[Tensor, " N clusters"]:
        """Returns p(y|z), which equals p(y|z, x), because x depends on y through z alone."""
        mixture = self.prior()
        log_joint = mixture.mixture_distribution.logits + component_log_probs(
            mixture.component_distribution, z
        )
        return torch.softmax(log_joint, dim=-1).to(z)


class Rounded(dist.Independent):
    """A distribution whose log-density, in whatever precision it is computed, is one of `dtype`.

    Pyro's enumeration multiplies the densities of several sites, which must be of one precision.
    """

    def __init__(self, law: Distribution, dtype: torch.dtype) -> None:
        self.dtype = dtype
        super().__init__(law, 0, validate_args=False)

    def expand(self, batch_shape: Shape, _instance: object = None) -> "Rounded":
        return Rounded(self.base_dist.expand(batch_shape), self.dtype)

    def log_prob(self, value: Float[Tensor, " *value"]) -> Float[Tensor, " *batch"]:
        """Returns the log-density in nats."""
        return super().log_prob(value).to(self.dtype)

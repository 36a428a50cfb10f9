"""A discrete cluster label y: p_θ(x, z, y) = p(y) p(z|y) p_θ(x|z)."""

from collections.abc import Iterator

import pyro
import torch
from jaxtyping import Float
from torch import Tensor

from models.distributions import Component, LaidOut, component_log_probs
from models.enumerated import Enumerated, Program, Term
from models.generative import Generative


class Clustered(Generative, Enumerated):
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
            law = self.likelihood(self.decoder(z))
            return pyro.sample("x", LaidOut(law, (len(x),), z.dtype), obs=x)

    def terms(self, guide: Program, *batch: Tensor) -> Iterator[Term]:
        """Yields the one pair with the site y."""
        yield Term(self.joint, guide, batch)

    def cluster_probabilities(self, z: Float[Tensor, " N latent"]) -> Float[Tensor, " N clusters"]:
        """Returns p(y|z), which equals p(y|z, x), because x depends on y through z alone."""
        mixture = self.prior()
        log_joint = mixture.mixture_distribution.logits + component_log_probs(
            mixture.component_distribution, z
        )
        return torch.softmax(log_joint, dim=-1).to(z)

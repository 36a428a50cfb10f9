"""The ELBO with KL(q‖p) in closed form."""

from typing import ClassVar

import torch
from jaxtyping import Float
from pyro import poutine
from pyro.infer import TraceMeanField_ELBO
from torch import Tensor
from torch.distributions import Distribution, Independent, kl_divergence

from evidence.batch import Batch
from evidence.structure import latent_sites, sample_sites
from evidence.weights import Program
from inference.objectives.base import Objective, at_least_one


class AnalyticKL(Objective, TraceMeanField_ELBO):  # type: ignore[misc]  # __call__
    """E_q[log p(x|z)] − KL(q(z|x)‖p(z)), the KL in closed form where Pyro knows one.

    This is eq. 3 of Kingma & Welling 2014. The expected KL of one latent site given another is no
    KL of its own, so a second latent is refused.
    """

    one_latent_only: ClassVar[bool] = True

    def __init__(self, num_particles: int = 1) -> None:
        TraceMeanField_ELBO.__init__(self, num_particles=at_least_one(num_particles))

    def differentiable_loss(
        self, model: Program, guide: Program, *batch: Tensor
    ) -> Float[Tensor, ""]:
        """Returns minus the bound, summed over the batch."""
        return TraceMeanField_ELBO.differentiable_loss(self, model, guide, *batch)

    @torch.no_grad()
    def describe(self, model: Program, guide: Program, batch: Batch) -> str:
        """Returns which form of the KL this pair has."""
        guide_trace = poutine.trace(guide).get_trace(*batch)
        model_trace = poutine.trace(poutine.replay(model, trace=guide_trace)).get_trace(*batch)
        priors = {site["name"]: site["fn"] for site in sample_sites(model_trace)}
        forms = [
            f"KL of {site['name']}: {_form(site['fn'], priors[site['name']])}"
            for site in latent_sites(guide_trace)
        ]
        return f"objective: {'; '.join(forms)}"


def _form(q: Distribution, p: Distribution) -> str:
    try:
        kl_divergence(q, p)
    except NotImplementedError:
        one, other = (
            type(d.base_dist if isinstance(d, Independent) else d).__name__ for d in (q, p)
        )
        return f"Monte Carlo (Pyro knows no KL of {one} from {other})"
    return "closed form"

"""The ELBO with KL(q‖p) in closed form."""

from typing import Any, ClassVar

import torch
from pyro import poutine
from pyro.infer import TraceMeanField_ELBO
from torch.distributions import Independent, kl_divergence

from evidence.structure import latent_sites
from inference.objectives.iwae import at_least_one


class AnalyticKL(TraceMeanField_ELBO):
    """E_q[log p(x|z)] − KL(q(z|x)‖p(z)), the KL in closed form where Pyro has one (Kingma & Welling 2014, eq. 3)."""

    one_latent_only: ClassVar[bool] = (
        True  # the expected KL of one site given another is no KL of its own
    )

    def __init__(self, num_particles: int = 1) -> None:
        super().__init__(num_particles=at_least_one(num_particles))

    @torch.no_grad()
    def describe(self, model: Any, guide: Any, *batch: Any) -> str:
        """Which form of the KL this pair has."""
        guide_trace = poutine.trace(guide).get_trace(*batch)
        model_trace = poutine.trace(poutine.replay(model, trace=guide_trace)).get_trace(*batch)
        forms = []
        for site in latent_sites(guide_trace):
            q, p = site["fn"], model_trace.nodes[site["name"]]["fn"]
            try:
                kl_divergence(q, p)
                form = "closed form"
            except NotImplementedError:
                names = (
                    type(d.base_dist if isinstance(d, Independent) else d).__name__ for d in (q, p)
                )
                form = "Monte Carlo (Pyro knows no KL of {} from {})".format(*names)
            forms.append(f"KL of {site['name']}: {form}")
        return f"objective: {'; '.join(forms)}"

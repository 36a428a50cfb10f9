"""The Bernoulli formula on grey pixels: what it reads, and what is missing for it to be a density.

∫₀¹ pˣ(1−p)¹⁻ˣ dx = (2p − 1)/log(p/(1−p)), which is at most ½ for every p.
"""

import torch

from evidence import elbo_terms
from evidence.batch import Batch
from experiment.predictions import reconstruct
from published.place import Place
from published.probes.images import grey, trained
from published.reading import alone
from published.verdict import Measured


@torch.no_grad()
def measure(place: Place) -> Measured:
    """Returns the mean of E_q[the formula] − KL, which is not a bound on a log-density."""
    run, x = trained(place), grey(place, 1000)
    torch.manual_seed(0)
    # Bernoulli's log_prob is this formula where it is not told to check its values.
    found = elbo_terms(run.model, run.guide, x, 20).elbo
    return alone(found.per_datum.cpu().numpy()[None])


@torch.no_grad()
def missing_normaliser(place: Place) -> Measured:
    """Returns −log of the integral over all grey images, at draws of q: what the formula lacks."""
    run, x = trained(place), grey(place, 1000)
    torch.manual_seed(0)
    p = reconstruct(run.model, run.guide, Batch((x,)), particles=1).double().flatten(1)
    logits = torch.logit(p)
    inside = torch.where(logits.abs() < 1e-6, torch.full_like(p, 0.5), (2 * p - 1) / logits)
    return alone(-inside.log().sum(1).cpu().numpy()[None])

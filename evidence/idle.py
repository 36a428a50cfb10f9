"""A latent may be masked of a datum where it has no say in what is counted of that datum."""

import torch
from pyro.poutine import Trace
from torch import Tensor

from evidence.accounting import counted, masked_latent
from evidence.batch import Batch
from evidence.noise import forked
from evidence.structure import (
    Latents,
    Program,
    at,
    latent_sites,
    sample_sites,
    sum_log_probs,
)


def check_idle(
    model: Program, guide: Program, batch: Batch, guide_trace: Trace
) -> dict[str, Tensor]:
    """Returns which numbers of latents are masked, by name; UnsupportedPair if they have a say.

    The steps beyond the end of a sequence may be masked, in model and guide: p(x) is then that of
    the steps before, whatever the latents beyond are. A latent that is masked while something that
    depends on it is counted has no weight there: what is left is no log p(x). So everything is
    counted twice, with other values of what is masked.

    Arguments:
        model, guide: The pair.
        batch: The data.
        guide_trace: A run of the guide on them.
    """
    sites = latent_sites(guide_trace)
    masks = {site["name"]: counted(site, batch.size) for site in sites}
    off = {name: ~mask for name, mask in masks.items() if mask is not None}
    masked = [site for site in sites if site["name"] in off and bool(off[site["name"]].any())]
    if not masked:
        return {}
    values: Latents = {site["name"]: site["value"] for site in sites}
    others = dict(values)
    with forked(batch.device, seed=0):
        for site in masked:
            name, value = site["name"], site["value"]
            others[name] = torch.where(off[name], site["fn"].sample(), value)
        before, after = (
            sum_log_probs(
                [site for run in (model, guide) for site in sample_sites(at(run, given, batch))]
            )
            for given in (values, others)
        )
    if not torch.allclose(before, after, rtol=1e-6, atol=1e-6, equal_nan=True):
        raise masked_latent(masked[0])
    return {site["name"]: off[site["name"]] for site in masked}

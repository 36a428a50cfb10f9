"""Log-densities on a GPU are those on the CPU, of every component."""

import pyro
import pytest
import torch
from pyro import poutine

from evidence.structure import sample_sites, site_log_prob
from experiment.device import pick_device
from tests.choices import CHOICES, COMPANIONS, opened

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")


@torch.no_grad()
def densities(pair, latents, batch, device):
    found = {}
    for program in pair:  # both before either runs: a VampPrior reads the guide's encoder
        program.to(device)
    for program in pair:
        there = poutine.condition(program, {name: z.to(device) for name, z in latents.items()})
        trace = poutine.trace(there).get_trace(*(column.to(device) for column in batch))
        for site in sample_sites(trace):
            found[program, site["name"]] = site_log_prob(site).cpu()
    return found


@pytest.mark.parametrize("axis, name", CHOICES)
def test_densities_are_those_on_the_cpu(axis, name):
    pick_device("cuda")  # sets what a run on a GPU sets
    torch.manual_seed(0)
    pyro.clear_param_store()
    model, guide, _, (batch, _) = opened(f"{axis}={name}", *COMPANIONS.get((axis, name), []))
    with torch.no_grad():
        drawn = sample_sites(poutine.trace(guide).get_trace(*batch))
    latents = {site["name"]: site["value"] for site in drawn}
    on_cpu = densities((model, guide), latents, batch, "cpu")
    on_gpu = densities((model, guide), latents, batch, "cuda")
    for site, expected in on_cpu.items():
        torch.testing.assert_close(on_gpu[site], expected, atol=1e-3, rtol=0)

"""p(x|z) at many z for many x is what the distribution says, to the digits that its precision has."""

import pyro.distributions as dist
import pytest
import torch
import torch.nn.functional as F

from evidence.section import summed_softplus, table


@pytest.mark.parametrize("dimensions", [3, 999, 2500])
def test_summed_softplus(dimensions):
    x = 30 * torch.randn(40, dimensions, generator=torch.Generator().manual_seed(0))
    x[0], x[1] = 700, -700
    expected = F.softplus(x.double(), threshold=1e9).sum(1)
    # A term differs by the rounding of exp(−|x|) ≤ 1 in float32.
    assert (summed_softplus(x) - expected).abs().max() <= dimensions * 2**-23
    assert summed_softplus(torch.full((1, dimensions), torch.nan)).isnan()


@pytest.mark.parametrize("make", [
    lambda p: dist.Bernoulli(logits=p),
    lambda p: dist.ContinuousBernoulli(logits=p),
    lambda p: dist.Poisson(p.exp()),
    lambda p: dist.Normal(p, 0.3),
    lambda p: dist.Normal(p, p.exp()),
    lambda p: dist.Laplace(p, 1.0),
], ids=["bernoulli", "continuous bernoulli", "poisson", "normal", "heteroscedastic", "any other"])  # fmt: skip
def test_a_table_is_the_log_density(make):
    torch.manual_seed(0)
    likelihood = make(torch.randn(7, 12)).to_event(1)
    x = likelihood.sample()[:5]
    expected = torch.stack([likelihood.log_prob(datum) for datum in x])
    assert torch.allclose(table(likelihood)(x), expected.double(), atol=1e-4)

"""p(x|z) at many z for many x is what the distribution says, to its own precision."""

import math

import numpy as np
import pyro.distributions as dist
import pytest
import scipy.stats
import torch
import torch.nn.functional as F

from evidence import section
from evidence.section import summed_softplus, table
from models.likelihoods import ContinuousBernoulli, NegativeBinomial, Poisson


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
], ids=["bernoulli", "continuous", "poisson", "normal", "heteroscedastic", "other"])  # fmt: skip
def test_a_table_is_the_log_density(make):
    torch.manual_seed(0)
    likelihood = make(torch.randn(7, 12)).to_event(1)
    x = likelihood.sample()[:5]
    expected = torch.stack([likelihood.log_prob(datum) for datum in x])
    assert torch.allclose(table(likelihood)(x), expected.double(), atol=1e-4)


def far(family, x, *parameters):
    """Returns float64 log-densities of `family` (SciPy) in 4 dimensions, (N, points)."""
    parameters = [p.double().numpy() for p in parameters]
    return family(x.double().numpy()[:, None], *parameters).sum(-1)


@pytest.mark.parametrize("planted", [False, True], ids=["ours", "the terms are summed regardless"])
@pytest.mark.parametrize("case", ["counts", "narrow", "narrow and apart", "sure bits"])
def test_a_table_of_large_terms_is_within_a_thousandth_of_a_nat(case, planted, monkeypatch):
    if planted:
        monkeypatch.setattr(section, "ERROR", math.inf)
    points = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
    if case == "counts":
        rate = 1e6 + 1e3 * points
        likelihood, x = dist.Poisson(rate), torch.poisson(rate[:3])
        expected = far(scipy.stats.poisson.logpmf, x, rate)
    elif case == "sure bits":  # a sum of float32 in which large terms cancel
        logits = 1e6 * points
        x = (points[:3] > 0).float()
        likelihood = dist.Bernoulli(logits=logits)
        sign = 2 * x.double().unsqueeze(1) - 1
        expected = -np.logaddexp(0, (-sign * logits.double()).numpy()).sum(-1)
    else:
        scale = torch.full((6, 4), 1e-4) if case == "narrow" else 1e-4 * points.abs()
        loc = 1e6 + points
        likelihood, x = dist.Normal(loc, scale), loc[:3] + 1e-4
        expected = far(scipy.stats.norm.logpdf, x, loc, scale)
    right = torch.as_tensor(expected)
    error = (table(likelihood.to_event(1))(x) - right).abs() / (1e-3 + 1e-12 * right.abs())
    assert (error.max() < 1) != (planted and case != "counts")


@pytest.mark.parametrize("h", [-1000.0, -110.0, 0.0, 1e6])
@pytest.mark.parametrize("make", [Poisson, NegativeBinomial, ContinuousBernoulli])
def test_a_table_of_a_likelihood_that_offers_its_natural_parameters(make, h):
    likelihood = make((2, 2))(torch.randn(6, 2, 2) + h)
    x = torch.rand(3, 2, 2) if make is ContinuousBernoulli else torch.arange(12.0).view(3, 2, 2)
    expected = torch.stack([likelihood.log_prob(datum) for datum in x])
    assert torch.allclose(table(likelihood)(x), expected, rtol=1e-12, atol=1e-3)


@pytest.mark.parametrize("large", ["statistics", "coefficients", "normalizer", "base", None])
@pytest.mark.parametrize("sign", [1, -1])
def test_wherever_a_term_is_large_the_distribution_itself_is_asked(large, sign):
    """A sum of numbers of 1e14 is off by a hundredth, whatever their signs; of 1e11 it is not."""

    class Itself(dist.Delta):
        def log_prob(self, x):
            return torch.full(self.batch_shape, 42.0)

    for size, is_asked in ((1e14, True), (1e11, False)):
        of = {name: sign * size if name == large else 1.0 for name in
              ("statistics", "coefficients", "normalizer", "base")}  # fmt: skip
        found = section.Linear(
            lambda x, by=of["statistics"]: by * x,
            torch.tensor([[of["coefficients"]], [0.0]]).double(),
            torch.tensor([of["normalizer"], 0.0]).double(),
            lambda x, by=of["base"]: by * torch.ones(len(x)).double(),
            Itself(torch.zeros(2, 1)).to_event(1),
        )(torch.ones(3, 1))
        first = of["statistics"] * of["coefficients"] + of["base"] - of["normalizer"]
        expected = torch.tensor([[first, of["base"]]] * 3).double()
        if is_asked and large:
            expected = torch.full((3, 2), 42.0).double()
        torch.testing.assert_close(found, expected)


def test_one_large_datum_is_enough_for_the_distribution_to_be_asked():
    class Itself(dist.Delta):
        def log_prob(self, x):
            return torch.full(self.batch_shape, 42.0)

    nothing = torch.zeros(2).double()
    found = section.Linear(
        lambda x: x, nothing[:, None] + 1, nothing, lambda x: x[:, 0] * 0, Itself(torch.zeros(2, 1))
    )(torch.tensor([[1.0], [1e14], [1.0]]))
    assert (found == 42).all()

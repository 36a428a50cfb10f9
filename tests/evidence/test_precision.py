"""Programs in float32, of whatever families, have the log-densities that SciPy takes in float64."""

import math

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import scipy.stats
import torch
from pyro.distributions.transforms import (
    affine_autoregressive,
    affine_coupling,
    spline_autoregressive,
)

from evidence import elbo, exact, iwae, log_weights
from evidence.precision import MANY, log_prob

SIZES = [10.0**k for k in range(8)]
ROWS = 4


def of(size, *shape):
    """Parameters and data of that size, in float32, and the same numbers in float64."""
    generator = torch.Generator().manual_seed(int(math.log10(size)))
    rate = size * (1 + 0.1 * torch.rand(ROWS, *shape, generator=generator))
    x = torch.poisson(rate, generator=generator)
    return rate, x, rate.double().numpy(), x.double().numpy()


def poisson(rate, x, mu, k):
    return dist.Poisson(rate), x, scipy.stats.poisson.logpmf(k, mu)


def negative_binomial(rate, x, mu, k):
    n = torch.full_like(rate, 50.0)
    odds = scipy.stats.nbinom.logpmf(k, 50, 1 / (1 + np.exp((rate / 50).log().double().numpy())))
    return dist.NegativeBinomial(n, logits=(rate / 50).log()), x, odds


def gamma_poisson(rate, x, mu, k):
    beta = torch.full_like(rate, 0.5)
    return dist.GammaPoisson(rate, beta), x, scipy.stats.nbinom.logpmf(k, mu, 0.5 / 1.5)


def zero_inflated(rate, x, mu, k):
    base = scipy.stats.poisson.logpmf(k, mu) + math.log(0.75)
    base = np.where(k == 0, np.logaddexp(math.log(0.25), base), base)
    return dist.ZeroInflatedPoisson(rate, gate=torch.tensor(0.25)), x, base


def binomial(rate, x, mu, k):
    count = 2 * x.max() + rate.new_zeros(ROWS)
    p = torch.tensor(0.4375)
    return dist.Binomial(count, p), x, scipy.stats.binom.logpmf(k, count.double().numpy(), 0.4375)


def gamma(rate, x, mu, k):
    value = rate.flip(0)
    one = torch.ones(())
    return dist.Gamma(rate, one), value, scipy.stats.gamma.logpdf(value.double().numpy(), mu)


def inverse_gamma(rate, x, mu, k):
    value = torch.ones(ROWS)
    return dist.InverseGamma(rate, rate), value, scipy.stats.invgamma.logpdf(1.0, mu, scale=mu)


def beta(rate, x, mu, k):
    value = torch.full((ROWS,), 0.4375)
    return dist.Beta(rate, rate), value, scipy.stats.beta.logpdf(0.4375, mu, mu)


def mixture(rate, x, mu, k):
    two = torch.stack([rate, 2 * rate], -1)
    parts = [scipy.stats.poisson.logpmf(k, r) for r in (mu, 2 * mu)]
    mixed = dist.MixtureSameFamily(dist.Categorical(logits=torch.zeros(2)), dist.Poisson(two))
    return mixed, x, np.logaddexp(*parts) + math.log(0.5)


FAMILIES = [poisson, negative_binomial, gamma_poisson, zero_inflated, binomial, gamma]
FAMILIES += [inverse_gamma, beta, mixture]


@pytest.mark.parametrize("family", FAMILIES, ids=lambda f: f.__name__)
def test_log_densities_hold_a_thousandth_of_a_nat(family):
    for size in SIZES:
        distribution, value, expected = family(*of(size))
        found = log_prob(distribution, value)
        np.testing.assert_allclose(
            found.double(), expected, atol=1e-3, rtol=1e-7, err_msg=str(size)
        )


@pytest.mark.parametrize("kind", [dist.Normal, dist.Laplace, dist.Cauchy, dist.Logistic])
@pytest.mark.parametrize("scale", [1.0, 1e-2, 1e-4])
def test_narrow_likelihoods(kind, scale):
    generator = torch.Generator().manual_seed(0)
    loc, x = torch.rand(2, ROWS, 784, generator=generator)
    likelihood = kind(loc, torch.tensor(scale)).to_event(1)
    expected = kind(loc.double(), torch.tensor(scale).double()).to_event(1).log_prob(x.double())
    torch.testing.assert_close(log_prob(likelihood, x, is_data=True), expected, rtol=1e-12, atol=0)


@pytest.mark.parametrize("factor", [0.3, 30.0, 1e3])
@pytest.mark.parametrize("dimensions", [50, 784])
def test_low_rank_normals(dimensions, factor):
    """Their quadratic form is a difference of much larger ones, in data and in latents."""
    torch.manual_seed(0)
    loc, diagonal = torch.randn(ROWS, dimensions), torch.rand(ROWS, dimensions) + 0.5
    columns = factor * torch.randn(ROWS, dimensions, 3)
    low_rank = dist.LowRankMultivariateNormal(loc, columns, diagonal)
    x = low_rank.sample((2,))
    covariance = columns.double() @ columns.double().mT + diagonal.double().diag_embed()
    expected = dist.MultivariateNormal(loc.double(), covariance).log_prob(x.double())
    torch.testing.assert_close(log_prob(low_rank, x), expected, atol=1e-3, rtol=0)


class Centred(dist.Normal):
    """Somebody's own family, which inherits the density of a known one."""

    def __init__(self, scale):
        self.layer = torch.nn.Linear(1, 1)
        super().__init__(torch.zeros_like(scale), scale)


class Shifted(Centred):
    """Another density: what it is made of is not known."""

    def log_prob(self, value):
        return super().log_prob(value - 1)


def test_families_of_ones_own():
    x = 1e3 * torch.randn(ROWS, 784)
    one = torch.ones(ROWS, 784)
    expected = dist.Normal(0.0, 1.0).log_prob(x.double()).sum(1)
    found = log_prob(Centred(one).to_event(1), x, is_data=True)
    torch.testing.assert_close(found, expected, atol=1e-3, rtol=0)
    own = Shifted(one).to_event(1)
    assert torch.equal(log_prob(own, x, is_data=True), own.log_prob(x))


@pytest.mark.parametrize("flow", [affine_autoregressive, affine_coupling, spline_autoregressive])
@pytest.mark.parametrize("dimensions", [2, 50, 200])
def test_flows_where_they_draw(flow, dimensions):
    """Their networks stay in float32: the digits cost a tenth of 1e-3 nats."""
    torch.manual_seed(0)
    in_float, in_double = (flow(dimensions, [2 * dimensions]) for _ in range(2))
    in_double.double().load_state_dict(in_float.state_dict())
    base = dist.Normal(torch.zeros(ROWS, dimensions), 1.0).to_event(1)
    with torch.no_grad():
        z = dist.TransformedDistribution(base, [in_float]).sample().clone()
        found = log_prob(dist.TransformedDistribution(base, [in_float]), z)
        normal = dist.Normal(torch.zeros(ROWS, dimensions).double(), 1.0).to_event(1)
        torch.set_default_dtype(torch.float64)  # which Pyro's inverses start from
        try:
            expected = dist.TransformedDistribution(normal, [in_double]).log_prob(z.double())
        finally:
            torch.set_default_dtype(torch.float32)
    torch.testing.assert_close(found.double(), expected, atol=1e-4, rtol=0)


def test_sums_of_many_terms():
    generator = torch.Generator().manual_seed(0)
    logits = 6 * torch.randn(ROWS, 40 * MANY, generator=generator)
    x = torch.ones_like(logits)
    terms = dist.Bernoulli(logits=logits).log_prob(x)
    found = log_prob(dist.Bernoulli(logits=logits).to_event(1), x)
    torch.testing.assert_close(found, terms.double().sum(1), rtol=1e-12, atol=0)


@pytest.mark.parametrize("size", [1e2, 1e5, 1e7])
def test_a_pair_of_counts_in_float32(size):
    """z says by how little the rate differs; q is the prior, so that bounds are loose by little."""
    torch.manual_seed(1)
    x = torch.poisson(torch.full((5, 3), size))

    def model(x):
        with pyro.plate("data", len(x)):
            z = pyro.sample("z", dist.Normal(x.new_zeros(len(x), 1), 1.0).to_event(1))
            rate = size * (1e-3 * z / math.sqrt(size / 1e2)).exp()
            pyro.sample("x", dist.Poisson(rate.expand(-1, 3)).to_event(1), obs=x)

    def guide(x):
        with pyro.plate("data", len(x)):
            pyro.sample("z", dist.Normal(x.new_zeros(len(x), 1), 1.0).to_event(1))

    z = np.linspace(-9, 9, 4001)
    rate = size * np.exp(1e-3 * z / math.sqrt(size / 1e2))
    logs = scipy.stats.poisson.logpmf(x.double().numpy()[:, :, None], rate).sum(1)
    logs = logs + scipy.stats.norm.logpdf(z) + math.log(z[1] - z[0])
    truth = scipy.special.logsumexp(logs, axis=1)
    # The program's own rate is a float32, and so is off by up to 6e-8 of itself.
    near = {"atol": 2e-2 if size > 1e6 else 2e-3, "rtol": 0}
    np.testing.assert_allclose(exact(model, guide, x).per_datum, truth, **near)
    np.testing.assert_allclose(iwae(model, guide, x, 2000).per_datum, truth, **near)
    bound = elbo(model, guide, x, 2000).per_datum.numpy()
    assert (np.abs(bound - truth) < 0.1).all()
    assert log_weights(model, guide, x, 3).dtype == torch.float64

"""Estimators of one normal latent against closed forms and NumPy, on both sides."""

import math

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import scipy.integrate
import scipy.stats
import torch

from evidence import elbo, eubo, exact, iw_eubo, iwae, posterior_draw
from evidence.calibration import Calibration, _ranks
from evidence.joint import Joint
from evidence.reliability import Reliability, effective_size
from evidence.usage import latent_usage
from models.joints import FactorAnalysis

X, MEAN, SCALE, ROWS = 1.4, 0.2, 0.5, 20_000
# Two-sided normal quantile at α = 6e-7.
Z = 5.0


def model(x):
    """z ~ N(0, 1), x|z ~ N(z, 1): p(x) = N(x; 0, 2), p(z|x) = N(x/2, ½)."""
    with pyro.plate("data", len(x)):
        z = pyro.sample("z", dist.Normal(torch.zeros(1).double(), 1.0).to_event(1))
        pyro.sample("x", dist.Normal(z, 1.0).to_event(1), obs=x)


def guide(x):
    with pyro.plate("data", len(x)):
        pyro.sample("z", dist.Normal(torch.full_like(x, MEAN), SCALE).to_event(1))


def log_weight(z):
    normal = scipy.stats.norm.logpdf
    return normal(z) + normal(X, z) - normal(z, MEAN, SCALE)


def reference(particles, exact_draws):
    """(ROWS,) of log (1/K) Σ w, with one draw of p(z|x) among them or none, by NumPy."""
    noise = np.random.default_rng(0)
    z = noise.normal(MEAN, SCALE, (particles, ROWS))
    z[:exact_draws] = noise.normal(X / 2, math.sqrt(0.5), (exact_draws, ROWS))
    return np.logaddexp.reduce(log_weight(z)) - math.log(particles)


def same_mean(found, expected):
    error = math.hypot(found.std(), expected.std()) / math.sqrt(ROWS)
    return abs(found.mean() - expected.mean()) < Z * error


@pytest.mark.parametrize("particles", [1, 2])
def test_a_bound_of_k_weights_is_that_of_k(particles):
    """Neither of K − 1 nor of K + 1, which are bounds as well."""
    x = torch.full((ROWS, 1), X, dtype=torch.float64)
    z = {"z": X / 2 + math.sqrt(0.5) * torch.randn(ROWS, 1, dtype=torch.float64)}
    below = iwae(model, guide, x, particles)
    above = iw_eubo(model, guide, x, z, particles)
    assert below.particles == above.particles == particles
    for found, exact_draws in ((below, 0), (above, 1)):
        values = found.per_datum.numpy()
        assert same_mean(values, reference(particles, exact_draws))
        assert not same_mean(values, reference(particles + 1, exact_draws)), "the test can fail"


def test_elbo_and_eubo_are_off_by_their_divergences():
    x = torch.full((ROWS, 1), X, dtype=torch.float64)
    z = {"z": X / 2 + math.sqrt(0.5) * torch.randn(ROWS, 1, dtype=torch.float64)}
    log_p = scipy.stats.norm.logpdf(X, 0, math.sqrt(2))
    q, p = torch.distributions.Normal(MEAN, SCALE), torch.distributions.Normal(X / 2, 0.5**0.5)
    kl = torch.distributions.kl_divergence
    for found, expected in (
        (elbo(model, guide, x, 3), log_p - float(kl(q, p))),
        (eubo(model, guide, x, z), log_p + float(kl(p, q))),
    ):
        assert abs(found.mean - expected) < Z * found.standard_error


def test_every_datum_of_many_groups_is_integrated():
    """300 data far apart: more than share cells, so that they are halved into groups."""
    x = torch.linspace(-9, 9, 300, dtype=torch.float64).unsqueeze(1)
    expected = torch.distributions.Normal(0.0, 2**0.5).log_prob(x[:, 0])
    found = exact(model, guide, x[torch.randperm(300)].sort(0).values)
    torch.testing.assert_close(found.per_datum, expected, atol=2e-3, rtol=0)


def test_posterior_draws_have_the_posteriors_mean_and_spread():
    joint = FactorAnalysis(torch.tensor([[1.0], [0.5]]), torch.zeros(2), 0.5)
    x = torch.tensor([[1.0, -0.3]]).expand(ROWS, 2)
    drawn, posterior = posterior_draw(joint, x)["z"].double(), joint.posterior(x[:1])
    sd = posterior.variance.sqrt().item()
    assert abs(drawn.mean() - posterior.mean.item()) < Z * sd / math.sqrt(ROWS)
    assert drawn.std().item() == pytest.approx(sd, rel=Z / math.sqrt(2 * ROWS))


@pytest.mark.parametrize(
    ("particles", "threshold"),
    [(100, 0.5), (1000, 2 / 3), (10_000, 0.7), (50, 1 - 1 / math.log10(50))],
)
def test_the_threshold_follows_the_number_of_draws(particles, threshold):
    """min(1 − 1/log₁₀ S, 0.7): k̂ just above it are bad, k̂ at it are not."""
    k = torch.tensor([threshold, threshold + 1e-3, threshold - 1e-3, 5.0], dtype=torch.float64)
    found = Reliability(k, torch.ones(4, dtype=torch.float64), particles)
    assert found.threshold == pytest.approx(threshold)
    found = Reliability(k + (found.threshold - threshold), found.effective_size, particles)
    assert found.bad == 0.5


def test_the_effective_size_by_hand():
    """Of weights 1, 2, 3: 6²/14; of two that are equal: 2; of none: 0."""
    weights = torch.tensor([[1, 2, 3.0], [0, 4, 4], [0, 0, 0]], dtype=torch.float64)
    found = effective_size(weights.T.log())
    assert found.tolist() == pytest.approx([36 / 14, 2.0, 0.0])


def test_the_ecdf_of_ranks_by_hand():
    """Among 3 draws: of ranks 0, 0, 2, 3 a half is ≤ 0, a half ≤ 1, ¾ ≤ 2."""
    ranks, together = torch.tensor([[0], [0], [2], [3]]), torch.tensor([3, 3, 3, 3])
    found = Calibration(ranks, together, draws=3)
    assert found.excess().tolist() == [[0.25, 0.0, 0.0, 0.0], [-0.25, -0.5, -0.75, 0.0]]
    assert found.departure().tolist() == [0.25, 0.75]
    # Massart's band at α over two lines: P(leaves) ≤ 2 · 2 exp(−2 n ε²).
    assert 4 * math.exp(-2 * 4 * found.band(0.05) ** 2) == pytest.approx(0.05)


class Fixed(Joint):
    """Draws 0, 1, 2, … of every datum; log p(x, z) is −z², or the same everywhere."""

    def __init__(self, flat):
        self.flat = flat

    def unconstrain(self, latents):
        return latents["z"]

    def draw_guide(self, count):
        return torch.arange(count, dtype=torch.float64).repeat_interleave(2).unsqueeze(1)

    def model_terms(self, u):
        zero = torch.zeros(len(u), dtype=torch.float64)
        return zero, zero if self.flat else -u.square().sum(1)


@pytest.mark.parametrize(("flat", "together"), [(False, [1, 4]), (True, [0, 0])])
def test_a_rank_is_the_number_of_draws_below_the_truth(flat, together):
    """Draws that are equal to it are not below it."""
    truth = {"z": torch.tensor([[3.0], [0.5]], dtype=torch.float64)}
    ranks, joint_ranks = _ranks(Fixed(flat), truth, 5)
    assert ranks.tolist() == [[3], [1]] and joint_ranks.tolist() == together


MEANS, SCALES = np.array([-1.0, 0.0, 1.5]), np.array([0.2, 0.6, 2.0])


def narrow_and_wide(x):
    """q(z|x) is N(x, s), every datum with a width of its own."""
    widths = torch.tensor(SCALES)[((x[:, :1] > -0.5).long() + (x[:, :1] > 0.5).long())]
    with pyro.plate("data", len(x)):
        pyro.sample("z", dist.Normal(x, widths).to_event(1))


def test_mutual_information_and_rate_are_their_integrals():
    """I = ⅓ Σ ∫ q_i log(q_i/q̄): no bound from one side, but the value."""
    x = torch.tensor(MEANS).unsqueeze(1)

    def integrand(z):
        each = scipy.stats.norm.pdf(z, MEANS, SCALES)
        return float((each * (np.log(each + 1e-300) - np.log(each.mean()))).mean())

    expected = scipy.integrate.quad(integrand, -15, 15, points=[*MEANS], limit=400)[0]
    rate = float((0.5 * (SCALES**2 + MEANS**2 - 1) - np.log(SCALES)).mean())
    torch.manual_seed(0)
    found = latent_usage(model, narrow_and_wide, x, draws=2000)
    # A term has a standard deviation below 1.2, and there are 6,000 of them.
    assert found.mutual_information == pytest.approx(expected, abs=Z * 1.2 / math.sqrt(6_000))
    assert found.rate == pytest.approx(rate, abs=Z * 2.5 / math.sqrt(6_000))
    assert found.marginal_kl == pytest.approx(rate - expected, abs=0.2)
    assert found.activity.item() == pytest.approx(MEANS.var(ddof=1), abs=0.05)

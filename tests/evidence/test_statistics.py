"""Coverage and power of what coupled chains say, where the truth is known; slow, in `make verify`.

Experiments of 100 data each have a 95 % interval each, mean ± 1.96 standard errors. Of 500 that
cover with probability 0.95, between 93 and 97 % do so with probability 0.96. Unbiasedness is tested
at α = 1e-6, two-sided; a bias of 8 standard errors is found with probability 0.999.
"""

import math

import pyro.distributions as dist
import pytest
import torch

from evidence import Annealing, Coupling, ais, eubo, iw_eubo, iwae, posterior_draws, reverse_ais
from evidence import kernel as module
from models.joints import FactorAnalysis, Posterior
from tests.evidence.statistics_checks import is_below
from tests.evidence.test_coupling import Z99, linear
from tests.evidence.test_importance import MEAN, TRUTH, X, one_mode, two_modes

EXPERIMENTS, DATA = 500, 100
# A bias of so many standard errors is found with probability 0.999 at α = 1e-6.
DETECTED = Z99 + 3.1

pytestmark = pytest.mark.verify


@pytest.fixture(autouse=True)
def small(monkeypatch):
    torch.manual_seed(0)
    monkeypatch.setattr(module, "TUNING_STEPS", 20)


def coverage(values, truth):
    """The share of experiments whose interval holds the truth."""
    each = values.reshape(EXPERIMENTS, DATA)
    error = each.std(1) / math.sqrt(DATA)
    return float(((each.mean(1) - truth).abs() < 1.96 * error).double().mean())


def is_without_bias(values, truth, detected):
    """Whether the mean is the truth at α, when a bias of `detected` would have been found."""
    error = float(values.std()) / math.sqrt(len(values))
    assert DETECTED * error < detected, "too few data to find it"
    return abs(float(values.mean()) - truth) < Z99 * error


def divergence(joint, guide_law, x):
    """KL(p(z|x)‖q(z|x)) of two normal distributions, of the first datum."""
    p, q = joint.posterior(x[:1]), guide_law(x[:1])
    p = dist.MultivariateNormal(p.mean, p.covariance_matrix)
    q = dist.MultivariateNormal(q.mean, q.variance.diag_embed())
    return float(torch.distributions.kl_divergence(p, q))


def test_intervals_of_chains_that_meet_late_cover(monkeypatch):
    """The EUBO and a mean of a correlated posterior; three in four data need corrections."""
    monkeypatch.setattr(module, "PROPOSALS", 1)
    joint, guide, x = linear(EXPERIMENTS * DATA)
    draws = posterior_draws(joint, guide, x, Coupling(leapfrogs=2, lag=1, burn_in=1))
    assert draws.never_met == 0 and len(draws.rows.unique()) > len(x) / 4
    above = divergence(joint, joint.best_mean_field, x)
    upper = draws.upper(lambda x, z: eubo(joint, guide, x, z)).per_datum
    mean = draws.expectation(lambda x, z: z["z"][:, 0])
    for values, truth in (
        (upper, float(joint.log_prob(x[:1])) + above),
        (mean, float(joint.posterior(x[:1]).mean[0, 0])),
    ):
        assert 0.93 < coverage(values, truth) < 0.97
        assert is_without_bias(values, truth, 0.1)
    uncorrected = eubo(joint, guide, x, draws.latents).per_datum
    assert coverage(uncorrected, float(joint.log_prob(x[:1])) + above) < 0.93, "the bug is seen"


def test_a_planted_mode_that_the_guide_leaves_out(monkeypatch):
    """E[z] = 0 between two modes; the sides are at log p(x) within 0.02 nats, and in order."""
    monkeypatch.setattr(module, "PROPOSALS", 8)
    monkeypatch.setattr(module, "TUNING_STEPS", 100)  # after few, the normals are wide
    x = torch.full((EXPERIMENTS * DATA, 1), X)
    draws = posterior_draws(two_modes, one_mode, x, Coupling(leapfrogs=2, lag=2, burn_in=2))
    assert draws.never_met == 0
    place = draws.expectation(lambda x, z: z["z"][:, 0])
    assert 0.93 < coverage(place, 0.0) < 0.97 and is_without_bias(place, 0.0, 0.1 * MEAN)
    few = posterior_draws(two_modes, one_mode, x[:5000])
    upper = few.upper(lambda x, z: iw_eubo(two_modes, one_mode, x, z, 200, "mixture")).per_datum
    lower = iwae(two_modes, one_mode, x[:5000], 200, "mixture").per_datum
    truth = torch.full_like(lower, TRUTH)
    assert is_below(lower, truth) and is_below(truth, upper)
    for side in (lower, upper):
        error = float(side.std()) / math.sqrt(len(side))
        assert abs(float(side.mean()) - TRUTH) < 0.02 and DETECTED * error < 0.02


def fifty():
    """50 latents behind 60 numbers, a mean-field guide, and 400 times one datum."""
    g = torch.Generator().manual_seed(0)
    weight = torch.randn(60, 50, generator=g) / 12
    joint = FactorAnalysis(weight, torch.randn(60, generator=g), 0.5)
    x = joint.conditional(joint.prior().sample((1,))).sample().repeat(400, 1)
    return joint, Posterior(joint.best_mean_field), x


def test_fifty_dimensions():
    """The EUBO is known; annealing from both sides is in order, and meets log p(x)."""
    joint, guide, x = fifty()
    truth = float(joint.log_prob(x[:1]))
    draws = posterior_draws(joint, guide, x)
    assert draws.never_met == 0
    above = divergence(joint, joint.best_mean_field, x)
    upper = draws.upper(lambda x, z: eubo(joint, guide, x, z)).per_datum
    assert above > 0.5 and is_without_bias(upper, truth + above, above)
    plan = Annealing(30, 4, 5, start="guide")
    upper = draws.upper(lambda x, z: reverse_ais(joint, guide, x, z, plan)).per_datum
    lower = ais(joint, guide, x, plan).per_datum
    for one, other in ((lower, upper), (lower, 0 * lower + truth), (0 * upper + truth, upper)):
        assert is_below(one, other)
    assert float(upper.mean() - lower.mean()) < 0.2

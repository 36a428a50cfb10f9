"""The order of all bounds on exact cases, unbiasedness, and the certificate that needs no truth."""

import itertools
import math

import pytest
import torch

from evidence import elbo, iwae, log_weights
from evidence.annealing import Annealing, ais, bidirectional, reverse_ais
from evidence.upper import eubo, iw_eubo, simulate
from models.joints import (
    BetaBernoulli,
    ExactPosterior,
    FactorAnalysis,
    GammaPoisson,
    GaussianMixture,
    Posterior,
    Tractable,
)
from tests.evidence.statistics_checks import (
    ALPHA,
    e_value_accepts,
    is_below,
    is_unbiased,
    tightens_pathwise,
)


def factor_analysis() -> FactorAnalysis:
    g = torch.Generator().manual_seed(0)
    return FactorAnalysis(torch.randn(6, 3, generator=g), torch.randn(6, generator=g), 0.3)


def mean_field() -> tuple[Tractable, Posterior]:
    joint = factor_analysis()
    return joint, Posterior(joint.best_mean_field)


def guided_by_its_prior(joint: Tractable) -> tuple[Tractable, Posterior]:
    return joint, Posterior(lambda x: joint.prior().expand((len(x),)))


CENTRES = torch.tensor([[-2.0, 0.0], [2.0, 1.0]])
CASES = {
    "factor analysis, mean field": mean_field,
    "beta-bernoulli, prior": lambda: guided_by_its_prior(BetaBernoulli(1.5, 0.7, 8)),
    "gamma-poisson, prior": lambda: guided_by_its_prior(GammaPoisson(2.0, 0.5, 3)),
    "mixture, prior": lambda: guided_by_its_prior(GaussianMixture(CENTRES, 0.5, 1.0)),
}


def has_finite_variance(joint: Tractable) -> bool:
    """Of p(x, z)/q: for mean field on factor analysis only if 2M − diag M is positive definite."""
    if not isinstance(joint, FactorAnalysis):
        return True
    precision = joint.posterior_precision
    return bool(torch.linalg.eigvalsh(2 * precision - precision.diagonal().diag()).min() > 0)


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest):
    joint, guide = CASES[request.param]()
    torch.manual_seed(1)
    template = joint.conditional(joint.prior().sample((200,))).sample()
    x, z = simulate(joint, guide, template)
    return joint, guide, x, z


def test_every_bound_is_in_its_place(case) -> None:
    joint, guide, x, z = case
    truth = joint.log_prob(x)
    ladder = [
        elbo(joint, guide, x, 20).per_datum,
        iwae(joint, guide, x, 4).per_datum,
        iwae(joint, guide, x, 64).per_datum,
        truth,
        iw_eubo(joint, guide, x, z, 64).per_datum,
        iw_eubo(joint, guide, x, z, 4).per_datum,
        eubo(joint, guide, x, z).per_datum,
    ]
    for lower, upper in itertools.pairwise(ladder):
        assert is_below(lower, upper)
    assert float(ladder[0].mean()) < float(truth.mean()) < float(ladder[-1].mean())


def test_weights_are_unbiased_and_tighten_on_every_draw(case) -> None:
    joint, guide, x, _ = case
    weights = log_weights(joint, guide, x, 100)
    assert tightens_pathwise(weights)
    if has_finite_variance(joint):
        assert is_unbiased(weights - joint.log_prob(x))
    assert e_value_accepts(iwae(joint, guide, x, 500).per_datum - joint.log_prob(x))


PLANS = {
    start: Annealing(30, 8, 3, start, schedule)
    for start, schedule in (("prior", "sigmoid"), ("guide", "linear"))
}


@pytest.mark.parametrize("start", PLANS)
def test_annealing_brackets(case, start: str) -> None:
    joint, guide, x, z = case
    x, z = x[:60], {name: value[:60] for name, value in z.items()}
    truth = joint.log_prob(x)
    lower, upper = ais(joint, guide, x, PLANS[start]), reverse_ais(joint, guide, x, z, PLANS[start])
    assert e_value_accepts(lower.per_datum - truth)  # E p̂ = p
    assert e_value_accepts(truth - upper.per_datum)  # E 1/p̂ = 1/p
    assert e_value_accepts(lower.per_datum - upper.per_datum)  # independent given x: needs no truth
    assert is_below(lower.per_datum, truth) and is_below(truth, upper.per_datum)


def test_the_bracket_closes_as_one_over_temperatures() -> None:
    joint = factor_analysis()
    torch.manual_seed(0)
    like = joint.conditional(joint.prior().sample((100,))).sample()
    guide = ExactPosterior(joint)
    gaps = [
        bidirectional(joint, guide, like, Annealing(t, 4, 3, "prior", "sigmoid")).gap
        for t in (10, 80)
    ]
    assert 0 < float(gaps[1].mean()) < 0.35 * float(gaps[0].mean())


def test_annealing_from_the_posterior_itself_is_exact() -> None:
    joint = factor_analysis()
    torch.manual_seed(0)
    x = joint.conditional(joint.prior().sample((5,))).sample()
    found = ais(joint, ExactPosterior(joint), x, Annealing(5, 2, 2, "guide"))
    torch.testing.assert_close(found.per_datum, joint.log_prob(x))


def test_forward_against_reverse_rejects_a_wrong_estimate_without_the_truth() -> None:
    """log C forgotten in the average over chains: the e-value needs no log p(x) to see it."""
    joint = factor_analysis()
    torch.manual_seed(0)
    like = joint.conditional(joint.prior().sample((60,))).sample()
    gap = bidirectional(
        joint, Posterior(joint.best_mean_field), like, Annealing(10, 4, 3, "guide", "linear")
    ).gap
    assert e_value_accepts(-gap) and not e_value_accepts(math.log(4) - gap)


def test_the_plug_in_of_a_chi_square_bound_reads_far_below_it() -> None:
    """½ log E_q[w²] is infinite here; its estimate is finite, and for K = 1 it is the ELBO."""
    joint = factor_analysis()
    assert not has_finite_variance(joint)
    torch.manual_seed(0)
    x = joint.conditional(joint.prior().sample((50,))).sample()
    weights = log_weights(joint, Posterior(joint.best_mean_field), x, 1000)

    def above(count: int) -> float:
        plug_in = 0.5 * ((2 * weights[:count]).logsumexp(0) - math.log(count))
        return float((plug_in - joint.log_prob(x)).mean())

    assert torch.equal(0.5 * (2 * weights[:1]).logsumexp(0), weights[0])
    assert above(10) < above(1000) < 3


def test_the_checks_can_fail() -> None:
    noise = torch.randn(400, generator=torch.Generator().manual_seed(0))
    assert is_unbiased(0.5 * noise - 0.125) and not is_unbiased(0.5 * noise - 0.125 + 0.2)
    assert not e_value_accepts(torch.full((400,), 0.05)) and e_value_accepts(torch.zeros(400))
    assert not is_below(noise + 0.5, noise - 0.5 + 0.1 * noise)
    assert ALPHA == 1e-6

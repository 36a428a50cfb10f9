"""Diagnostics on cases where the right answer is known."""

import math

import numpy as np
import pyro.distributions as dist
import pytest
import torch

from evidence.diagnostics import latent_usage, pareto_k, reliability, simulation_based_calibration
from models.joints import ExactPosterior, FactorAnalysis, Posterior


def joint() -> FactorAnalysis:
    """Three latents, of which the last does not reach x."""
    weight = torch.tensor([[1.0, 0.5, 0.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.5, 1.0, 0.0]])
    return FactorAnalysis(weight, torch.zeros(4), 0.25)


def data(size: int) -> torch.Tensor:
    torch.manual_seed(0)
    return joint().conditional(joint().prior().sample((size,))).sample()


@pytest.mark.parametrize("shape", [0.3, 0.8])
def test_pareto_k_is_the_shape_of_the_tail(shape: float) -> None:
    """Also tells the sign: handed the other way round, a tail of 0.8 would read about −1."""
    weights = np.random.default_rng(0).pareto(1 / shape, 20_000) + 1
    assert pareto_k(np.log(weights)) == pytest.approx(shape, abs=0.12)


@pytest.mark.parametrize("spread", [30.0, 300.0, 1000.0, 10_000.0, math.inf])
def test_weights_too_far_apart_for_a_float64_are_not_called_reliable(spread: float) -> None:
    noise = np.random.default_rng(0).normal(size=(8, 1000))
    log_weights = np.where(noise < 2, -math.inf, noise) if spread == math.inf else spread * noise
    assert all(pareto_k(row) > 1 for row in log_weights)
    assert pareto_k(np.full(1000, -math.inf)) == math.inf


def test_the_exact_posterior_is_reliable_and_a_shifted_one_is_not() -> None:
    model, x = joint(), data(10)
    good = reliability(model, ExactPosterior(model), x, 200)
    assert good.bad == 0
    torch.testing.assert_close(good.effective_size, torch.full((10,), 200.0, dtype=torch.float64))
    far = Posterior(lambda x: dist.Normal(model.posterior_mean(x) + 3, 0.1).to_event(1))
    poor = reliability(model, far, x, 200)
    assert poor.bad == 1 and float(poor.effective_size.max()) < 100
    assert "100%" in poor.explain()


def test_usage_names_the_collapsed_dimension_and_its_terms_add_up() -> None:
    model, x = joint(), data(200)
    found = latent_usage(model, ExactPosterior(model), x)
    assert found.collapsed == [2] and found.active_units == 2
    marginal = dist.MultivariateNormal(
        torch.zeros(3, dtype=torch.float64), torch.eye(3, dtype=torch.float64)
    )
    rate = torch.distributions.kl_divergence(model.posterior(x), marginal.expand((200,))).mean()
    assert found.rate == pytest.approx(float(rate), abs=0.1)
    assert 0 < found.mutual_information <= math.log(200)
    # I(x; z) of the joint is ½ log|M|; the average over 200 data can only fall short of it.
    assert found.mutual_information < 0.5 * float(torch.logdet(model.posterior_precision)) + 0.3
    assert "2 of 3 latent dimensions are in use (unused: 2;" in found.explain()


def test_few_draws_do_not_make_collapsed_dimensions_look_active() -> None:
    """As evaluate.py asks: 200 data, 4 draws. The means of 4 draws vary by far more than the threshold for being in use."""
    weight = torch.zeros(4, 40)
    weight[0, 0] = weight[1, 1] = weight[2, 2] = 1.0
    model = FactorAnalysis(weight, torch.zeros(4), 0.25)
    x = model.conditional(model.prior().sample((200,))).sample()
    torch.manual_seed(0)
    assert latent_usage(model, ExactPosterior(model), x, draws=4).active_units == 3


def test_calibration_accepts_the_posterior_and_rejects_a_narrow_guide() -> None:
    model, like = joint(), data(1000)
    torch.manual_seed(1)
    right = simulation_based_calibration(model, ExactPosterior(model), like)
    assert bool((right.departure() < right.band(1e-6)).all())
    narrow = Posterior(
        lambda x: dist.Normal(
            model.posterior_mean(x), 0.5 * model.posterior_precision.diagonal().rsqrt()
        ).to_event(1)
    )
    wrong = simulation_based_calibration(model, narrow, like)
    assert bool((wrong.departure()[:2] > wrong.band(1e-6)).all())


def test_a_guide_with_the_right_marginals_and_no_correlation_is_rejected_by_the_joint_rank_alone() -> (
    None
):
    """Each dimension's ranks are exactly uniform: only log p(x, z*) tells that the dimensions hang together."""
    model = FactorAnalysis(torch.tensor([[1.0, 0.0], [0.0, 1.0], [2.0, 2.0]]), torch.zeros(3), 0.25)
    like = torch.zeros(1000, 3)
    covariance = torch.linalg.inv(model.posterior_precision)
    uncorrelated = Posterior(
        lambda x: dist.Normal(model.posterior_mean(x), covariance.diagonal().sqrt()).to_event(1)
    )
    torch.manual_seed(1)
    found = simulation_based_calibration(model, uncorrelated, like)
    *each, together = found.departure() > found.band(1e-6)
    assert bool(together) and not any(each)
    assert "for log p(x, z) alone" in found.explain()
    right = simulation_based_calibration(model, ExactPosterior(model), like)
    assert (
        "no bias or wrong width" in right.explain()
        and right.summary()["calibration"]["simulations"] == 1000
    )


def test_ranks_do_not_depend_on_how_the_draws_are_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last chunk is as short as it must be: ranks go up to the number of draws asked for, and no further."""
    from evidence import diagnostics

    monkeypatch.setattr(diagnostics, "DRAWS_AT_ONCE", 7)
    model, like = joint(), data(300)
    low = Posterior(lambda x: dist.Normal(model.posterior_mean(x) - 50, 0.1).to_event(1))
    found = simulation_based_calibration(model, low, like, draws=17)
    assert (
        bool((found.ranks == 17).all())
        and found.ranks.shape == (300, 3)
        and found.joint_ranks.shape == (300,)
    )

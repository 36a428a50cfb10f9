"""k̂ and the effective sample size where the right answer is known."""

import math

import numpy as np
import pyro.distributions as dist
import pytest
import torch

from evidence.reliability import pareto_k, reliability
from models.joints import ExactPosterior, Posterior
from tests.evidence.small_posteriors import data, joint


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


def test_too_few_draws_for_a_tail_are_refused() -> None:
    model = joint()
    with pytest.raises(ValueError, match="num_particles=24"):
        reliability(model, ExactPosterior(model), data(2), 24)


@pytest.mark.parametrize(("size", "near"), [(100, 15), (10_000, 225)])
def test_it_is_the_tail_that_must_not_underflow(size: int, near: int) -> None:
    """Of a fifth of the weights, or 3 √S if they are fewer, a quarter may be nothing."""
    log_weights = np.full(size, -2000.0)
    log_weights[:near] = np.random.default_rng(0).normal(size=near)
    assert pareto_k(log_weights) < math.inf
    log_weights[near - 1] = -2000.0
    assert pareto_k(log_weights) == math.inf

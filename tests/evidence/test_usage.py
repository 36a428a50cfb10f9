"""Active units and information where the right answer is known."""

import math

import pyro.distributions as dist
import pytest
import torch

from evidence.usage import LatentUsage, PosteriorMoments, latent_usage
from models.joints import ExactPosterior, FactorAnalysis, Posterior
from tests.evidence.small_posteriors import data, joint


def test_usage_names_the_collapsed_dimension() -> None:
    model, x = joint(), data(200)
    found = latent_usage(model, ExactPosterior(model), x)
    assert found.collapsed == [2] and found.active_units == 2
    marginal = dist.MultivariateNormal(
        torch.zeros(3, dtype=torch.float64), torch.eye(3, dtype=torch.float64)
    )
    rate = torch.distributions.kl_divergence(model.posterior(x), marginal.expand((200,))).mean()
    assert found.rate == pytest.approx(float(rate), abs=0.1)


def test_every_code_is_evaluated_under_the_guide_of_every_datum() -> None:
    """Two narrow posteriors far apart: z tells the two data apart, and the information is log 2.

    A matrix with rows and columns mixed up would pair codes with the wrong datum.
    """
    model = FactorAnalysis(torch.eye(2), torch.zeros(2), 1.0)
    x = torch.tensor([[5.0, 0.0], [-5.0, 1.0]])
    guide = Posterior(lambda x: dist.Normal(x.double(), 0.1).to_event(1))
    assert latent_usage(model, guide, x).mutual_information == pytest.approx(math.log(2))


def test_few_draws_do_not_make_collapsed_dimensions_look_active() -> None:
    """As evaluate.py asks: 200 data, 4 draws, whose means vary by far more than the threshold."""
    weight = torch.zeros(4, 40)
    weight[0, 0] = weight[1, 1] = weight[2, 2] = 1.0
    model = FactorAnalysis(weight, torch.zeros(4), 0.25)
    x = model.conditional(model.prior().sample((200,))).sample()
    torch.manual_seed(0)
    assert latent_usage(model, ExactPosterior(model), x, draws=4).active_units == 3


def test_the_noise_of_the_draws_is_taken_off_the_activity() -> None:
    """Means that vary by 1 and a noise of 2/4 leave an activity of ½."""
    mean = torch.tensor([[1.0], [-1.0], [0.0]], dtype=torch.float64)
    moments = PosteriorMoments(mean, torch.full((3, 1), 2.0, dtype=torch.float64), draws=4)
    assert moments.activity.tolist() == [0.5]


def test_a_dimension_is_active_above_the_threshold_and_not_at_it() -> None:
    """The threshold is 0.01 (Burda et al. 2016)."""
    activity = torch.tensor([0.01, 0.011, 0.0, 3.0], dtype=torch.float64)
    found = LatentUsage(activity, rate=3.0, mutual_information=2.0, num_examples=9)
    assert found.active_units == 2 and found.collapsed == [0, 2] and found.marginal_kl == 1.0


def test_information_above_95_per_cent_of_its_ceiling_is_saturated() -> None:
    nothing, ceiling = torch.zeros(0).double(), math.log(50)
    for share, is_saturated in ((0.94, False), (0.95, False), (0.951, True), (1.0, True)):
        found = LatentUsage(nothing, 9.0, share * ceiling, num_examples=50)
        assert found.saturated == is_saturated

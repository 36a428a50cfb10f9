"""Simulation-based calibration of guides that are right, too narrow, biased, or uncorrelated."""

import math

import pyro.distributions as dist
import pytest
import torch

from evidence import calibration
from evidence.calibration import Calibration, simulation_based_calibration
from models.joints import ExactPosterior, FactorAnalysis, Posterior
from tests.evidence.small_posteriors import data, joint


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


def test_a_guide_without_the_correlations_is_rejected_by_the_joint_rank_alone() -> None:
    """Each dimension's ranks are uniform: only log p(x, z*) tells how they hang together."""
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


def test_ranks_do_not_depend_on_how_the_draws_are_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last chunk is as short as it must be: no rank exceeds the number of draws asked for."""
    monkeypatch.setattr(calibration, "DRAWS_AT_ONCE", 7)
    model, like = joint(), data(300)
    low = Posterior(lambda x: dist.Normal(model.posterior_mean(x) - 50, 0.1).to_event(1))
    found = simulation_based_calibration(model, low, like, draws=17)
    assert bool((found.ranks == 17).all())
    assert found.ranks.shape == (300, 3) and found.joint_ranks.shape == (300,)


def test_the_ecdf_and_its_band_by_hand() -> None:
    """One rank of 0, two of 1 and one of 3, among three draws; the joint ranks are all 3."""
    found = Calibration(torch.tensor([[0], [1], [1], [3]]), torch.full((4,), 3), draws=3)
    expected = torch.tensor([[0.0, 0.25, 0.0, 0.0], [-0.25, -0.5, -0.75, 0.0]])
    torch.testing.assert_close(found.excess(), expected.double())
    assert found.departure().tolist() == [0.25, 0.75]
    # 2 exp(−2 N band²) is the probability that one line leaves the band; there are two lines.
    assert 2 * 2 * math.exp(-2 * 4 * found.band(0.01) ** 2) == pytest.approx(0.01)
    assert found.band() == found.band(0.01)

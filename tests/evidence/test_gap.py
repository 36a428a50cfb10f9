"""The split of the gap where both parts are known."""

import pytest
import torch

from errors import RequestError
from evidence import weights
from evidence.estimate import Estimate
from evidence.gap import Fit, GapSplit, around, best_of, deeper, local_starts, split_gap
from guides import Amortized
from guides.families.full_covariance import FullCovariance
from guides.families.mean_field import MeanField
from models.tractable import ExactPosterior, FactorAnalysis
from networks.mlp import MLP


def test_the_parts_of_a_linear_model() -> None:
    """Mean field on a correlated posterior: the family's part is ½(Σ log M_ii − log|M|), full covariance leaves nothing."""
    weight = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    joint = FactorAnalysis(weight, torch.zeros(3), 0.3)
    torch.manual_seed(0)
    x = joint.conditional(joint.prior().sample((40,))).sample()
    family = MeanField(2)
    guide = Amortized(MLP((3,), (family.num_parameters,), layers=0), family).double()
    before = [p.clone() for p in guide.parameters()]
    split = split_gap(
        joint, guide, x, Estimate(joint.log_prob(x), "exact"), FullCovariance(2), Fit(steps=300, draws=4, learning_rate=0.1)
    )
    assert all(torch.equal(a, b) for a, b in zip(before, guide.parameters(), strict=True))
    # Noise of the measurement: 40 × 200 draws of a log weight whose standard deviation is below 1 make 0.011.
    assert float(split.approximation.mean()) == pytest.approx(joint.mean_field_gap(), abs=0.04)
    assert float(split.amortisation.mean()) > 0.5  # the encoder is untrained
    total = split.log_p.per_datum - split.encoder.per_datum
    torch.testing.assert_close(split.approximation + split.amortisation, total)
    assert split.richer_approximation is not None
    assert float(split.richer_approximation.mean()) < 0.04
    assert "larger encoder" in split.explain()


def test_more_data_than_fit_a_chunk(monkeypatch) -> None:
    """Free guides are one with their data, and cannot be measured part by part."""
    monkeypatch.setattr(weights, "CHUNK_FLOATS", 3 * 10)
    joint = FactorAnalysis(torch.eye(3)[:, :2], torch.zeros(3), 0.3)
    x = joint.conditional(joint.prior().sample((25,))).sample()
    guide = Amortized(MLP((3,), (4,), layers=0), MeanField(2)).double()
    split = split_gap(joint, guide, x, Estimate(joint.log_prob(x), "exact"), deeper(guide, x), Fit(steps=2, measured=7))
    assert len(split.approximation) == len(split.richer_family.per_datum) == 25


@pytest.mark.parametrize("latent_dim", [1, 2, 3])
@pytest.mark.parametrize("family", [MeanField, FullCovariance])
def test_a_deeper_family_starts_as_the_one_it_contains(family, latent_dim: int) -> None:
    guide = Amortized(MLP((4,), (family(latent_dim).num_parameters,), layers=0), family(latent_dim))
    x = torch.randn(5, 4)
    (local,) = local_starts(guide.family, x, Fit(restarts=1), guide.encoder(x))
    same = around(deeper(guide, x), local)
    z = local.posterior(x).sample((7,))
    torch.testing.assert_close(same.posterior(x).log_prob(z), local.posterior(x).log_prob(z), atol=1e-4, rtol=1e-4)


def test_a_flow_gains_what_correlations_cost_and_never_loses() -> None:
    """From the best mean field, by coupling layers: all of ½(Σ log M_ii − log|M|) but noise."""
    joint = FactorAnalysis(torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]), torch.zeros(3), 0.3)
    torch.manual_seed(0)
    x = joint.conditional(joint.prior().sample((30,))).sample()
    guide = Amortized(MLP((3,), (4,), layers=0), MeanField(2)).double()
    fit = Fit(steps=300, draws=4, learning_rate=0.1, restarts=1)
    split = split_gap(joint, guide, x, Estimate(joint.log_prob(x), "exact"), deeper(guide, x), fit)
    assert split.richer_converged and split.richer_approximation is not None
    assert float(split.richer_approximation.mean()) < 0.4 * joint.mean_field_gap()


def test_the_choice_among_restarts_is_made_by_other_draws_than_the_result() -> None:
    """Many equal guides: choosing by the reported draws would read above what any of them has."""
    joint = FactorAnalysis(torch.ones(3, 2), torch.zeros(3), 0.3)
    torch.manual_seed(0)
    x = joint.conditional(joint.prior().sample((200,))).sample()
    (local,) = local_starts(MeanField(2), x, Fit(restarts=1))
    one = best_of(joint, [local], x, Fit(measured=4)).per_datum
    best = best_of(joint, [local] * 8, x, Fit(measured=4)).per_datum
    difference = best - one
    # One-sided at α = 1e-6; the best of eight noisy values would be 1.4 standard deviations of that noise higher.
    assert float(difference.mean()) < 4.8 * float(difference.std()) / 200**0.5


def test_a_richer_family_that_ends_below_is_not_counted() -> None:
    values = torch.linspace(-1, 1, 50, dtype=torch.float64)

    def lower(shift: float) -> Estimate:
        return Estimate(values + shift, "lower")

    split = GapSplit(Estimate(values, "exact"), lower(-3), lower(-1), Estimate(values - 1.5 + 0.01 * values, "lower"))
    assert not split.richer_converged and split.richer_approximation is None
    assert "not converged" in split.explain()


def test_a_datum_that_ran_away_does_not_hide_the_others() -> None:
    """A mean of −500 with a standard error of 400 is not "no worse"."""
    gained = torch.full((50,), 0.05, dtype=torch.float64)
    gained[::4] = -torch.logspace(0, 4, 13, dtype=torch.float64)
    same = Estimate(torch.zeros(50, dtype=torch.float64), "lower")
    split = GapSplit(same, same, same, Estimate(gained, "lower"))
    assert float(gained.mean()) > -2 * float(gained.std()) / 50**0.5 and not split.richer_converged


def test_a_guide_without_an_encoder_is_refused() -> None:
    joint = FactorAnalysis(torch.ones(2, 1), torch.zeros(2), 1.0)
    with pytest.raises(RequestError, match="ExactPosterior"):
        split_gap(joint, ExactPosterior(joint), torch.zeros(3, 2), Estimate(torch.zeros(3).double(), "exact"))

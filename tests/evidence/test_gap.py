"""The split of the gap where both parts are known."""

import pytest
import torch

from errors import RequestError
from evidence.estimate import Estimate
from evidence.gap import Fit, GapSplit, split_gap
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
    weights = [p.clone() for p in guide.parameters()]
    split = split_gap(
        joint, guide, x, Estimate(joint.log_prob(x), "exact"), FullCovariance(2), Fit(steps=300, draws=4, learning_rate=0.1)
    )
    assert all(torch.equal(a, b) for a, b in zip(weights, guide.parameters(), strict=True))
    # Noise of the measurement: 40 × 200 draws of a log weight whose standard deviation is below 1 make 0.011.
    assert float(split.approximation.mean()) == pytest.approx(joint.mean_field_gap(), abs=0.04)
    assert float(split.amortisation.mean()) > 0.5  # the encoder is untrained
    total = split.log_p.per_datum - split.encoder.per_datum
    torch.testing.assert_close(split.approximation + split.amortisation, total)
    assert split.richer_approximation is not None
    assert float(split.richer_approximation.mean()) < 0.04
    assert "larger encoder" in split.explain()


def test_a_richer_family_that_ends_below_is_not_counted() -> None:
    values = torch.linspace(-1, 1, 50, dtype=torch.float64)

    def lower(shift: float) -> Estimate:
        return Estimate(values + shift, "lower")

    split = GapSplit(Estimate(values, "exact"), lower(-3), lower(-1), Estimate(values - 1.5 + 0.01 * values, "lower"))
    assert not split.richer_converged and split.richer_approximation is None
    assert "not converged" in split.explain()


def test_a_guide_without_an_encoder_is_refused() -> None:
    joint = FactorAnalysis(torch.ones(2, 1), torch.zeros(2), 1.0)
    with pytest.raises(RequestError, match="ExactPosterior"):
        split_gap(joint, ExactPosterior(joint), torch.zeros(3, 2), Estimate(torch.zeros(3).double(), "exact"))

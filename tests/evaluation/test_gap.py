"""The split of the gap where both parts are known."""

import math

import pyro
import pyro.distributions as dist
import pytest
import torch

from errors import RequestError
from evaluation.gap import Fit, GapSplit, around, best_of, deeper, local_starts, split_gap
from evidence import chunks
from evidence.estimate import Estimate
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
        joint,
        guide,
        x,
        Estimate(joint.log_prob(x), "exact"),
        FullCovariance(2),
        Fit(steps=300, draws=4, learning_rate=0.1),
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
    monkeypatch.setattr(chunks, "CHUNK_FLOATS", 3 * 10)
    joint = FactorAnalysis(torch.eye(3)[:, :2], torch.zeros(3), 0.3)
    x = joint.conditional(joint.prior().sample((25,))).sample()
    guide = Amortized(MLP((3,), (4,), layers=0), MeanField(2)).double()
    split = split_gap(
        joint,
        guide,
        x,
        Estimate(joint.log_prob(x), "exact"),
        deeper(guide, x),
        Fit(steps=2, measured=7),
    )
    assert len(split.approximation) == len(split.richer_family.per_datum) == 25


@pytest.mark.parametrize("latent_dim", [1, 2, 3])
@pytest.mark.parametrize("family", [MeanField, FullCovariance])
def test_a_deeper_family_starts_as_the_one_it_contains(family, latent_dim: int) -> None:
    guide = Amortized(MLP((4,), (family(latent_dim).num_parameters,), layers=0), family(latent_dim))
    x = torch.randn(5, 4)
    (local,) = local_starts(guide.family, x, Fit(restarts=1), guide.encoder(x))
    same = around(deeper(guide, x), local)
    z = local.posterior(x).sample((7,))
    torch.testing.assert_close(
        same.posterior(x).log_prob(z), local.posterior(x).log_prob(z), atol=1e-4, rtol=1e-4
    )


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

    split = GapSplit(
        Estimate(values, "exact"),
        lower(-3),
        lower(-1),
        Estimate(values - 1.5 + 0.01 * values, "lower"),
    )
    assert not split.richer_converged and split.richer_approximation is None
    assert "not converged" in split.explain()


@pytest.mark.parametrize(
    ("family", "encoder", "advice"),
    [(1.0, 2.0, "a larger encoder or longer training gains most"), (2.0, 1.0, "a richer guide family gains most"),
     (1.0, 1.05, "neither is clearly the larger")],
)  # fmt: skip
def test_the_parts_are_told_with_their_errors_and_no_advice_hangs_on_noise(
    family: float, encoder: float, advice: str
) -> None:
    noise = torch.linspace(-1, 1, 25, dtype=torch.float64)
    log_p = 5 * noise  # varies over data, as log p(x) does: paired differences do not see it
    split = GapSplit(
        *(
            Estimate(values, "lower")
            for values in (log_p, log_p - family - encoder, log_p - family + noise)
        )
    )
    error = f"{float(noise.std()) / 5:.2f}"
    assert split.explain().startswith(
        f"{family:.2f} ± {error} nats are the family's and {encoder:.2f} ± {error} the encoder's"
    )
    assert advice in split.explain()


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
        split_gap(
            joint,
            ExactPosterior(joint),
            torch.zeros(3, 2),
            Estimate(torch.zeros(3).double(), "exact"),
        )


class Cliff(torch.nn.Module):
    """z ~ N(0, I), x ~ N(z, 1), but for data whose first number is 9: their density is NaN beyond |z| = 1."""

    def forward(self, x):
        with pyro.plate("data", len(x)):
            z = pyro.sample("z", dist.Normal(x.new_zeros(2), 1.0).to_event(1))
            beyond = (x[:, :1] == 9) & (z.abs() > 1)
            pyro.sample("x", dist.Normal(z.masked_fill(beyond, math.nan), 1.0).to_event(1), obs=x)


def narrow(x: torch.Tensor) -> Amortized:
    """q of the same N(0, 0.1²) for every datum."""
    encoder = torch.nn.Linear(2, 4, dtype=x.dtype)
    with torch.no_grad():
        encoder.weight.zero_()
        encoder.bias.copy_(torch.tensor([0.0, 0.0, -2.3, -2.3]))
    return Amortized(encoder, MeanField(2))


def test_one_datum_that_diverges_costs_the_others_nothing() -> None:
    """Not where a datum has parameters of its own, nor in the flow whose weights all share: x beside the cliff is fitted to
    its exact log p(x), the one beyond ends no lower than it started."""
    torch.manual_seed(0)
    x = torch.randn(12, 2, dtype=torch.float64)
    x[0, 0] = 9
    log_p = dist.Normal(torch.zeros((), dtype=x.dtype), 2**0.5).log_prob(x).sum(1)
    guide = narrow(x)
    split = split_gap(
        Cliff(),
        guide,
        x,
        Estimate(log_p, "exact"),
        deeper(guide, x),
        Fit(200, 4, 0.1, measured=400),
    )
    assert (
        split.same_family.per_datum.isfinite().all()
        and split.richer_family.per_datum.isfinite().all()
    )
    # The posterior is in the family: log weights there hardly vary, 0.05 is what Adam's last steps leave.
    assert float(split.approximation[1:].abs().max()) < 0.05
    assert (
        float(split.amortisation[0]) > -0.5
    )  # the noise of 400 draws of a log weight of standard deviation below 2


@pytest.mark.parametrize("learning_rate", [1e30, 1e300])
def test_fits_that_all_diverge_leave_the_encoders_own(learning_rate: float) -> None:
    joint = FactorAnalysis(torch.eye(3)[:, :2], torch.zeros(3), 0.3)
    torch.manual_seed(0)
    x = joint.conditional(joint.prior().sample((10,))).sample()
    guide = Amortized(MLP((3,), (4,), layers=0), MeanField(2)).double()
    fit = Fit(steps=3, learning_rate=learning_rate, measured=400)
    split = split_gap(joint, guide, x, Estimate(joint.log_prob(x), "exact"), deeper(guide, x), fit)
    noise = split.amortisation.std() / 10**0.5
    assert float(split.amortisation.mean()) > -5 * float(noise), "worse than where it started"
    assert split.same_family.details.diverged > 0
    assert split.richer_family.per_datum.isfinite().all() and not split.richer_converged


def test_a_gap_of_nothing_finite_is_refused_by_name() -> None:
    joint = FactorAnalysis(torch.eye(3)[:, :2], torch.zeros(3), 0.3)
    x = torch.zeros(3, 3, dtype=torch.float64)
    guide = Amortized(MLP((3,), (4,), layers=0), MeanField(2)).double()
    with pytest.raises(ArithmeticError, match=r"log p\(x\) of 1 of 3 data"):
        split_gap(
            joint, guide, x, Estimate(torch.tensor([0, -torch.inf, 0], dtype=x.dtype), "exact")
        )
    with torch.no_grad():
        guide.encoder.output.bias.fill_(math.nan)
    with pytest.raises(ArithmeticError, match="ELBO of 3 of 3 data"):
        split_gap(joint, guide, x, Estimate(joint.log_prob(x), "exact"))

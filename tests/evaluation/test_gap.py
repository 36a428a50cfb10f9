"""The parts of the gap where both are known."""

import math

import pyro
import pyro.distributions as dist
import pytest
import torch

from errors import RequestError
from evaluation.gap import Gap, GapParts, gap_parts
from evaluation.local_fit import Fit, LocalFits, around, deeper
from evidence import chunks
from evidence.estimate import Estimate
from guides import Amortized
from guides.families.full_covariance import FullCovariance
from guides.families.mean_field import MeanField
from models.joints import ExactPosterior, FactorAnalysis
from networks.mlp import MLP
from report.explain import explain, explain_parts
from report.situation import Situation

PLAIN = Situation({"guide": "mean_field"}, {}, latent_dim=2, rising=True)


def advice(parts: GapParts) -> str:
    """What helps an ordinary run with such a gap."""
    return explain(Gap({"test": parts}), PLAIN).text.partition("what helps: ")[2]


def test_the_parts_of_a_linear_model() -> None:
    """Mean field on a correlated posterior: the family's part is ½(Σ log M_ii − log|M|).

    Full covariance leaves nothing.
    """
    weight = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    joint = FactorAnalysis(weight, torch.zeros(3), 0.3)
    torch.manual_seed(0)
    x = joint.conditional(joint.prior().sample((40,))).sample()
    family = MeanField(2)
    guide = Amortized(MLP((3,), (family.num_parameters,), layers=0), family).double()
    before = [p.clone() for p in guide.parameters()]
    fits = LocalFits(joint, x, Fit(steps=300, draws=4, learning_rate=0.1))
    parts = gap_parts(fits, guide, Estimate(joint.log_prob(x), "exact"), FullCovariance(2))
    assert all(torch.equal(a, b) for a, b in zip(before, guide.parameters(), strict=True))
    # 40 × 200 draws of a log weight whose standard deviation is below 1 have a noise of 0.011.
    assert float(parts.approximation.mean()) == pytest.approx(joint.mean_field_gap(), abs=0.04)
    assert float(parts.amortization.mean()) > 0.5  # the encoder is untrained
    total = parts.log_p.per_datum - parts.encoder.per_datum
    torch.testing.assert_close(parts.approximation + parts.amortization, total)
    assert parts.richer_approximation is not None
    assert float(parts.richer_approximation.mean()) < 0.04
    assert "larger encoder" in advice(parts)


@pytest.mark.parametrize("floats", [1, 3 * 10, 3 * 25 * 3, 2**20])
def test_elbos_of_free_guides_do_not_depend_on_how_draws_are_cut(monkeypatch, floats: int) -> None:
    """Of the posterior itself every weight is p(x); 7 draws in chunks of 1, 3 or all."""
    monkeypatch.setattr(chunks, "CHUNK_FLOATS", floats)
    joint = FactorAnalysis(torch.eye(3)[:, :2], torch.zeros(3), 0.3)
    x = joint.conditional(joint.prior().sample((25,))).sample()
    family, posterior = MeanField(2), joint.posterior(x)
    fits = LocalFits(joint, x, Fit(steps=2, measured=7))
    (local,) = LocalFits(joint, x, Fit(restarts=1)).starts(family)
    with torch.no_grad():  # h of scales s: softplus(raw) is s/0.1 of what h = 0 gives
        start = local.posterior(x).base_dist.scale[0, 0]
        scale = posterior.variance.sqrt()
        raw = torch.log(torch.expm1(scale)) - torch.log(torch.expm1(start))
        local.h.copy_(torch.cat([posterior.mean, raw], 1))
        torch.testing.assert_close(fits.elbo(local), joint.log_prob(x), atol=1e-6, rtol=0)
    guide = Amortized(MLP((3,), (4,), layers=0), MeanField(2)).double()
    parts = gap_parts(fits, guide, Estimate(joint.log_prob(x), "exact"), deeper(guide, x))
    assert len(parts.approximation) == len(parts.richer_family.per_datum) == 25


@pytest.mark.parametrize("latent_dim", [1, 2, 3])
@pytest.mark.parametrize("family", [MeanField, FullCovariance])
def test_a_deeper_family_starts_as_the_one_it_contains(family, latent_dim: int) -> None:
    guide = Amortized(MLP((4,), (family(latent_dim).num_parameters,), layers=0), family(latent_dim))
    x = torch.randn(5, 4)
    (local,) = LocalFits(torch.nn.Identity(), x, Fit(restarts=1)).starts(
        guide.family, guide.encoder(x)
    )
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
    log_p = Estimate(joint.log_prob(x), "exact")
    parts = gap_parts(LocalFits(joint, x, fit), guide, log_p, deeper(guide, x))
    assert parts.richer_converged and parts.richer_approximation is not None
    assert float(parts.richer_approximation.mean()) < 0.4 * joint.mean_field_gap()


def test_the_choice_among_restarts_is_made_by_other_draws_than_the_result() -> None:
    """Many equal guides: choosing by the reported draws would read above what any of them has."""
    joint = FactorAnalysis(torch.ones(3, 2), torch.zeros(3), 0.3)
    torch.manual_seed(0)
    x = joint.conditional(joint.prior().sample((200,))).sample()
    fits = LocalFits(joint, x, Fit(restarts=1, measured=4))
    (local,) = fits.starts(MeanField(2))
    one, best = fits.best([local]).per_datum, fits.best([local] * 8).per_datum
    difference = best - one
    # One-sided at α = 1e-6; the best of eight noisy values would be 1.4 standard deviations higher.
    assert float(difference.mean()) < 4.8 * float(difference.std()) / 200**0.5


def test_a_richer_family_that_ends_below_is_not_counted() -> None:
    values = torch.linspace(-1, 1, 50, dtype=torch.float64)

    def lower(shift: float) -> Estimate:
        return Estimate(values + shift, "lower")

    parts = GapParts(
        Estimate(values, "exact"),
        lower(-3),
        lower(-1),
        Estimate(values - 1.5 + 0.01 * values, "lower"),
    )
    assert not parts.richer_converged and parts.richer_approximation is None
    assert "not converged" in explain_parts(parts)


@pytest.mark.parametrize(
    ("family", "encoder", "helps"),
    [
        (1.0, 2.0, "a larger encoder, longer training (train.epochs)."),
        (2.0, 1.0, "a richer guide (guide=full_covariance or iaf)."),
        (1.0, 1.05, ""),
        (0.0, 0.09, ""),
    ],
)
@pytest.mark.parametrize("spread", [1.0, 1e-3])
def test_the_parts_are_told_with_their_errors_and_no_advice_hangs_on_noise(
    family: float, encoder: float, helps: str, spread: float
) -> None:
    """Nor on a difference that is certain, and too small to matter."""
    noise = spread * torch.linspace(-1, 1, 25, dtype=torch.float64)
    log_p = 5 * noise  # varies over data, as log p(x) does: paired differences do not see it
    parts = GapParts(
        *(
            Estimate(values, "lower")
            for values in (log_p, log_p - family - encoder, log_p - family + noise)
        )
    )
    error = f"{float(noise.std()) / 5:.2f}"
    assert explain_parts(parts).startswith(
        f"{family:.2f} ± {error} nats are the family's and {encoder:.2f} ± {error} the encoder's"
    )
    if (encoder, spread) == (1.05, 1e-3):
        helps = "a larger encoder, longer training (train.epochs)."
    assert advice(parts) == helps


@pytest.mark.parametrize(("left", "helps"), [(1.9, True), (1.999, False)])
def test_no_richer_guide_is_advised_where_one_was_fitted_in_vain(left: float, helps: bool) -> None:
    noise = 0.05 * torch.linspace(-1, 1, 25, dtype=torch.float64)
    same = -2.0 + 0 * noise
    parts = GapParts(
        *(Estimate(values, "lower") for values in (0 * same, same - 1, same, noise - left))
    )
    assert ("richer guide" in advice(parts)) == helps


def test_a_datum_that_ran_away_does_not_hide_the_others() -> None:
    """A mean of −500 with a standard error of 400 is not "no worse"."""
    gained = torch.full((50,), 0.05, dtype=torch.float64)
    gained[::4] = -torch.logspace(0, 4, 13, dtype=torch.float64)
    same = Estimate(torch.zeros(50, dtype=torch.float64), "lower")
    parts = GapParts(same, same, same, Estimate(gained, "lower"))
    assert float(gained.mean()) > -2 * float(gained.std()) / 50**0.5 and not parts.richer_converged


def test_a_guide_without_an_encoder_is_refused() -> None:
    joint = FactorAnalysis(torch.ones(2, 1), torch.zeros(2), 1.0)
    with pytest.raises(RequestError, match="ExactPosterior"):
        gap_parts(
            LocalFits(joint, torch.zeros(3, 2), Fit()),
            ExactPosterior(joint),
            Estimate(torch.zeros(3).double(), "exact"),
        )


class Cliff(torch.nn.Module):
    """z ~ N(0, I), x ~ N(z, 1); data that begin with 9 have a density of NaN beyond |z| = 1."""

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
    """Neither where a datum has its own parameters, nor in the flow whose weights all share.

    The data beside the cliff are fitted to their exact log p(x), and the one beyond it ends no
    lower than it started.
    """
    torch.manual_seed(0)
    x = torch.randn(12, 2, dtype=torch.float64)
    x[0, 0] = 9
    log_p = dist.Normal(torch.zeros((), dtype=x.dtype), 2**0.5).log_prob(x).sum(1)
    guide = narrow(x)
    fits = LocalFits(Cliff(), x, Fit(200, 4, 0.1, measured=400))
    parts = gap_parts(fits, guide, Estimate(log_p, "exact"), deeper(guide, x))
    for found in (parts.same_family, parts.richer_family):
        assert found.per_datum.isfinite().all()
    # The family holds the posterior, so log weights hardly vary: Adam's last steps leave 0.05.
    assert float(parts.approximation[1:].abs().max()) < 0.05
    assert (
        float(parts.amortization[0]) > -0.5
    )  # the noise of 400 draws of a log weight of standard deviation below 2


@pytest.mark.parametrize("learning_rate", [1e30, 1e300])
def test_fits_that_all_diverge_leave_the_encoders_own(learning_rate: float) -> None:
    joint = FactorAnalysis(torch.eye(3)[:, :2], torch.zeros(3), 0.3)
    torch.manual_seed(0)
    x = joint.conditional(joint.prior().sample((10,))).sample()
    guide = Amortized(MLP((3,), (4,), layers=0), MeanField(2)).double()
    fit = Fit(steps=3, learning_rate=learning_rate, measured=400)
    log_p = Estimate(joint.log_prob(x), "exact")
    parts = gap_parts(LocalFits(joint, x, fit), guide, log_p, deeper(guide, x))
    noise = parts.amortization.std() / 10**0.5
    assert float(parts.amortization.mean()) > -5 * float(noise), "worse than where it started"
    assert parts.fits.diverged > 0
    assert parts.richer_family.per_datum.isfinite().all() and not parts.richer_converged


def test_a_gap_of_nothing_finite_is_refused_by_name() -> None:
    joint = FactorAnalysis(torch.eye(3)[:, :2], torch.zeros(3), 0.3)
    x = torch.zeros(3, 3, dtype=torch.float64)
    guide = Amortized(MLP((3,), (4,), layers=0), MeanField(2)).double()
    fits = LocalFits(joint, x, Fit())
    infinite = Estimate(torch.tensor([0, -torch.inf, 0], dtype=x.dtype), "exact")
    with pytest.raises(ArithmeticError, match=r"log p\(x\) of 1 of 3 data"):
        gap_parts(fits, guide, infinite)
    with torch.no_grad():
        guide.encoder.output.bias.fill_(math.nan)
    with pytest.raises(ArithmeticError, match="datum 0 is NaN"):
        gap_parts(fits, guide, Estimate(joint.log_prob(x), "exact"))

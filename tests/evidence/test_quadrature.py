"""Quadrature equals closed forms for broad and narrow posteriors, on every path of p(x|z)."""

import math

import pyro
import pyro.distributions as dist
import pytest
import torch
from torch import Tensor, nn

from evidence import exact, iwae
from evidence.estimate import Exactly
from evidence.quadrature import quadrature
from evidence.section import FAMILIES, table
from guides import Amortized
from guides.families.mean_field import MeanField
from models import Generative
from models.joints import (
    BetaBernoulli,
    ExactPosterior,
    FactorAnalysis,
    GammaPoisson,
    GaussianMixture,
    Posterior,
    Tractable,
)
from models.likelihoods.bernoulli import Bernoulli
from models.likelihoods.gaussian import Gaussian
from models.priors.standard_normal import StandardNormal
from networks.mlp import MLP


def linear(latent_dim: int, noise: float) -> FactorAnalysis:
    g = torch.Generator().manual_seed(0)
    return FactorAnalysis(torch.randn(8, latent_dim, generator=g), torch.zeros(8), noise**2)


JOINTS = {
    "one dimension": lambda: linear(1, 0.5),
    "two dimensions": lambda: linear(2, 0.5),
    "narrow": lambda: linear(2, 0.02),
    "very narrow in one dimension": lambda: linear(1, 1e-4),
    "on an interval": lambda: BetaBernoulli(1.5, 0.7, coins=8),
    "on a half-line": lambda: GammaPoisson(2.0, 0.5, counts=3),
    "far modes": lambda: GaussianMixture(torch.tensor([[-6.0, 0.0], [6.0, 3.0]]), 0.3, 3.0),
}


def simulate(joint: Tractable, size: int) -> Tensor:
    torch.manual_seed(0)
    return joint.conditional(joint.prior().sample((size,))).sample()


@pytest.mark.parametrize("name", JOINTS)
def test_agrees_with_the_closed_form(name: str) -> None:
    joint = JOINTS[name]()
    x = simulate(joint, 40)
    found = quadrature(joint, ExactPosterior(joint), x, tolerance=1e-4)
    assert found is not None and found.kind == "exact"
    assert found.details.largest_error < 1e-4
    torch.testing.assert_close(found.per_datum, joint.log_prob(x), atol=1e-4, rtol=0)


def test_a_guide_that_looks_elsewhere_does_no_harm() -> None:
    joint = linear(2, 0.1)
    x = simulate(joint, 40)
    blind = Posterior(lambda x: dist.Normal(torch.full((len(x), 2), 30.0), 0.01).to_event(1))
    found = quadrature(joint, blind, x)
    assert found is not None
    torch.testing.assert_close(found.per_datum, joint.log_prob(x), atol=1e-4, rtol=0)


def test_data_far_from_what_the_model_expects() -> None:
    """Their posteriors lie far outside the prior's bulk: the box has to grow."""
    joint = linear(1, 0.5)
    x = simulate(joint, 10) + 40 * joint.weight[:, 0]
    found = quadrature(joint, Posterior(lambda x: joint.posterior(torch.zeros_like(x))), x)
    assert found is not None
    torch.testing.assert_close(found.per_datum, joint.log_prob(x), atol=1e-4, rtol=0)


def vae(likelihood: nn.Module, latent_dim: int = 2) -> tuple[Generative, Amortized]:
    torch.manual_seed(0)
    family = MeanField(latent_dim)
    decoder = MLP((latent_dim,), likelihood.parameter_shape, width=20, layers=1)
    guide = Amortized(MLP(likelihood.shape, (family.num_parameters,), width=20, layers=1), family)
    return Generative(StandardNormal(latent_dim), decoder, likelihood), guide


@pytest.mark.parametrize(
    "likelihood", [Bernoulli((3, 4)), Gaussian((3, 4), scale=0.5)], ids=["bernoulli", "gaussian"]
)
def test_a_neural_decoder_agrees_with_many_draws_from_the_prior(likelihood: nn.Module) -> None:
    model, guide = vae(likelihood)
    x = likelihood(model.decoder(torch.randn(20, 2))).sample()
    found = quadrature(model, guide, x)
    assert found is not None
    z = torch.randn(200_000, 2)
    log_p = table(likelihood(model.decoder(z)))(x)
    weights = (log_p - found.per_datum.unsqueeze(1)).exp()
    error = weights.std(1) / math.sqrt(len(z))
    # 6 standard errors in 20 comparisons: a false alarm in 25 million.
    assert bool(((weights.mean(1) - 1).abs() < 6 * error + 1e-4).all())
    assert iwae(model, guide, x, 64).mean < found.mean


def generic(family: str) -> dist.TorchDistribution:
    torch.manual_seed(0)
    raw = torch.randn(7, 3, 2)
    return {
        "Bernoulli": lambda: dist.Bernoulli(logits=raw),
        "ContinuousBernoulli": lambda: dist.ContinuousBernoulli(logits=raw),
        "Normal": lambda: dist.Normal(raw, raw.exp()),
        "shared Normal": lambda: dist.Normal(raw, 0.3),
        "Poisson": lambda: dist.Poisson(raw.exp()),
        "Laplace": lambda: dist.Laplace(raw, 1.0),
    }[family]()


@pytest.mark.parametrize(
    "family", ["Bernoulli", "ContinuousBernoulli", "Normal", "shared Normal", "Poisson", "Laplace"]
)
def test_tables_are_log_prob(family: str) -> None:
    likelihood = generic(family).to_event(2)
    x = likelihood.sample((5,))[:, 0]
    expected = torch.stack([likelihood.log_prob(datum) for datum in x]).double()
    torch.testing.assert_close(table(likelihood)(x), expected, atol=1e-4, rtol=1e-5)


def test_a_subclass_is_not_taken_for_its_family() -> None:
    class Shifted(dist.Normal):
        def log_prob(self, value: Tensor) -> Tensor:
            return super().log_prob(value) + 1

    assert Shifted not in FAMILIES
    x = torch.zeros(2, 3)
    shifted, plain = (f(torch.zeros(4, 3), 1.0).to_event(1) for f in (Shifted, dist.Normal))
    torch.testing.assert_close(table(shifted)(x), table(plain)(x) + 3)


def test_more_than_two_dimensions_have_none() -> None:
    model, guide = vae(Bernoulli((4,)), latent_dim=3)
    assert exact(model, guide, torch.ones(5, 4)) is None


def test_a_likelihood_that_looks_at_more_than_z_has_none() -> None:
    """A density that depends on x beyond z: one run of the model does not serve other data."""

    def model(x: Tensor) -> None:
        with pyro.plate("data", len(x)):
            z = pyro.sample("z", dist.Normal(0.0, 1.0).expand((1,)).to_event(1))
            pyro.sample(
                "x",
                dist.Normal(z + x.mean(1, keepdim=True), 1.0 + x.abs().amax(1, keepdim=True))
                .expand(x.shape)
                .to_event(1),
                obs=x,
            )

    def guide(x: Tensor) -> None:
        with pyro.plate("data", len(x)):
            pyro.sample("z", dist.Normal(0.0, 1.0).expand((len(x), 1)).to_event(1))

    torch.manual_seed(0)
    assert exact(model, guide, torch.randn(20, 3)) is None


def test_closed_form_comes_first() -> None:
    joint = linear(2, 0.5)
    x = simulate(joint, 5)
    found = exact(joint, ExactPosterior(joint), x)
    assert found is not None and found.details == Exactly("closed form")
    assert torch.equal(found.per_datum, joint.log_prob(x))


def test_there_is_no_grid_over_a_discrete_latent_beside_a_continuous_one() -> None:
    def model(x: Tensor) -> None:
        with pyro.plate("data", len(x)):
            z = pyro.sample("switch", dist.Bernoulli(0.5))
            y = pyro.sample("y", dist.Normal(z, 1.0))
            pyro.sample("x", dist.Normal(y, 1.0), obs=x)

    def guide(x: Tensor) -> None:
        with pyro.plate("data", len(x)):
            pyro.sample("switch", dist.Bernoulli(0.5))
            pyro.sample("y", dist.Normal(0.0, 1.0))

    assert exact(model, guide, torch.zeros(3)) is None


def labelled(x: Tensor, y: Tensor) -> None:
    """p(x|y) = N(x; 3y, 1 + σ_y²), by way of z."""
    with pyro.plate("data", len(x)):
        z = pyro.sample("z", dist.Normal(0.0, 1.0).expand((1,)).to_event(1))
        scale = (1.0 + y).unsqueeze(1)
        pyro.sample("x", dist.Normal(3.0 * y.unsqueeze(1) + scale * z, 1.0).to_event(1), obs=x)


def blind(x: Tensor, y: Tensor) -> None:
    with pyro.plate("data", len(x)):
        pyro.sample("z", dist.Normal(0.0, 1.0).expand((len(x), 1)).to_event(1))


def test_given_labels_every_label_is_integrated_by_itself() -> None:
    torch.manual_seed(0)
    y = torch.randint(0, 3, (40,)).double()
    x = 3 * y.unsqueeze(1) + 2 * torch.randn(40, 1).double()
    found = exact(labelled, blind, (x, y))
    assert found is not None and found.details.conditions == 3 and found.details.exceeding == 0
    expected = dist.Normal(3.0 * y, (1 + (1 + y) ** 2).sqrt()).log_prob(x[:, 0])
    torch.testing.assert_close(found.per_datum, expected, atol=1e-4, rtol=0)
    assert (
        exact(labelled, blind, (torch.randn(200, 1), torch.randn(200).abs())) is None
    )  # a condition of its own for each


def test_a_datum_far_away_leaves_the_others_their_own_numbers():
    """Their cells were as wide as the way to it; its own latents are too large for float32."""

    def model(x):
        with pyro.plate("data", len(x)):
            z = pyro.sample("z", dist.Normal(torch.zeros(len(x)), 1.0))
            pyro.sample("x", dist.Normal(z, 1.0), obs=x)

    def guide(x):
        with pyro.plate("data", len(x)):
            pyro.sample("z", dist.Normal(x / 2, 0.8))

    x = torch.tensor([1.0, 1e8, 2.0])
    found = exact(model, guide, x)
    expected = dist.Normal(0.0, 2**0.5).log_prob(x[[0, 2]]).double()
    torch.testing.assert_close(found.per_datum[[0, 2]], expected, atol=1e-3, rtol=0)
    assert found.details.exceeding == 1 and found.details.largest_error == math.inf
    for value in (3.0, 300.0, 3000.0):  # what float32 costs the prior is in the error
        given = torch.tensor([value])
        off = exact(model, guide, given)
        expected = dist.Normal(0.0, 2**0.5).log_prob(given.double())
        assert (off.per_datum - expected).abs() <= max(off.details.largest_error, 1e-3)
        assert off.details.exceeding == (value > 100)

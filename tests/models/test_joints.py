"""Closed forms agree with independent references and with the rest of the project."""

import math

import pyro.distributions as dist
import pytest
import torch
from pyro.infer import SVI
from scipy import integrate, stats
from torch import nn
from torch.distributions import kl_divergence

from evidence import elbo, iwae, log_weights
from evidence.training.optimizer import FusedAdam
from guides import Amortized
from guides.families import FullCovariance
from inference.objectives import elbo as objectives
from models import Generative
from models.joints import (
    BetaBernoulli,
    ExactPosterior,
    FactorAnalysis,
    GammaPoisson,
    GaussianMixture,
    Posterior,
    Tractable,
    probabilistic_pca,
)
from models.likelihoods import Bernoulli, Gaussian
from models.priors import Laplace, StandardNormal
from networks import MLP


def factor_analysis(seed: int = 0) -> FactorAnalysis:
    g = torch.Generator().manual_seed(seed)
    weight = torch.randn(6, 3, generator=g, dtype=torch.float64)
    return FactorAnalysis(weight, torch.randn(6, generator=g), 0.2 + torch.rand(6, generator=g))


JOINTS = {
    "factor_analysis": factor_analysis,
    "beta_bernoulli": lambda: BetaBernoulli(1.5, 0.7, coins=8),
    "gamma_poisson": lambda: GammaPoisson(2.0, 0.5, counts=3),
    "gaussian_mixture": lambda: GaussianMixture(
        torch.tensor([[-2.0, 0.0], [2.0, 1.0]]), 0.5, 1.0, torch.tensor([1.0, 3.0])
    ),
}


@pytest.fixture(params=JOINTS)
def joint(request: pytest.FixtureRequest) -> Tractable:
    return JOINTS[request.param]()


def simulate(joint: Tractable, size: int, seed: int = 0) -> torch.Tensor:
    torch.manual_seed(seed)
    return joint.conditional(joint.prior().sample((size,))).sample()


def test_every_particle_of_the_exact_posterior_weighs_p_of_x(joint: Tractable) -> None:
    x = simulate(joint, 20)
    weights = log_weights(joint, ExactPosterior(joint), x, 7)
    torch.testing.assert_close(weights, joint.log_prob(x).expand(7, -1), atol=1e-10, rtol=0)


def test_posterior_is_bayes_rule_at_any_z(joint: Tractable) -> None:
    """log p(z) + log p(x|z) − log p(z|x) is log p(x) even where the posterior has no mass."""
    x = simulate(joint, 20)
    z = joint.prior().sample((20,))
    bayes = (
        joint.prior().log_prob(z)
        + joint.conditional(z).log_prob(x)
        - joint.posterior(x).log_prob(z)
    )
    torch.testing.assert_close(bayes, joint.log_prob(x), atol=1e-10, rtol=1e-10)


def test_elbo_of_another_guide_is_below(joint: Tractable) -> None:
    """A guide that is the posterior of one datum for all has KL(q‖p) > 0: its bound is lower."""
    x = simulate(joint, 30)
    wrong = Posterior(lambda data: joint.posterior(x[:1].expand(len(data), *x.shape[1:])))
    assert elbo(joint, wrong, x, 400).mean < float(joint.log_prob(x).mean())


def test_evidence_of_factor_analysis_is_a_normal() -> None:
    joint = factor_analysis()
    x = simulate(joint, 10)
    covariance = joint.weight @ joint.weight.T + joint.variance.diag()
    expected = stats.multivariate_normal(joint.loc.numpy(), covariance.numpy()).logpdf(x.numpy())
    torch.testing.assert_close(joint.log_prob(x), torch.as_tensor(expected))


@pytest.mark.parametrize("heads", [0, 3, 8])
def test_evidence_of_beta_bernoulli_is_an_integral(heads: int) -> None:
    x = (torch.arange(8) < heads).double().unsqueeze(0)
    integral, _ = integrate.quad(
        lambda z: stats.beta(1.5, 0.7).pdf(z) * z**heads * (1 - z) ** (8 - heads), 0, 1
    )
    assert float(BetaBernoulli(1.5, 0.7, 8).log_prob(x)) == pytest.approx(
        math.log(integral), abs=1e-5
    )


def test_evidence_of_gamma_poisson_sums_to_one_and_is_a_negative_binomial() -> None:
    counts = torch.arange(200.0).unsqueeze(1)
    log_prob = GammaPoisson(2.0, 0.5, counts=1).log_prob(counts)
    torch.testing.assert_close(
        log_prob, torch.as_tensor(stats.nbinom(2.0, 0.5 / 1.5).logpmf(counts[:, 0].numpy()))
    )


def test_evidence_of_gaussian_mixture_integrates_to_one() -> None:
    joint = GaussianMixture(torch.tensor([[-2.0], [2.0]]), 0.5, 1.0)
    x = torch.linspace(-15, 15, 3001, dtype=torch.float64).unsqueeze(1)
    assert float(torch.trapezoid(joint.log_prob(x).exp(), x[:, 0])) == pytest.approx(1, abs=1e-10)


@pytest.mark.parametrize("seed", range(3))
def test_gap_of_the_best_mean_field(seed: int) -> None:
    joint = factor_analysis(seed)
    x = simulate(joint, 5)
    kl = kl_divergence(
        dist.MultivariateNormal(
            joint.posterior_mean(x), scale_tril=joint.posterior_precision.diagonal().rsqrt().diag()
        ),
        joint.posterior(x),
    )
    torch.testing.assert_close(kl, torch.full_like(kl, joint.mean_field_gap()))
    torch.manual_seed(seed)
    measured = log_weights(joint, Posterior(joint.best_mean_field), x, 4000)
    gap = joint.log_prob(x) - measured
    # 5 standard errors of the mean of 20,000 draws: a false alarm in 2 million.
    assert abs(float(gap.mean()) - joint.mean_field_gap()) < 5 * float(gap.std()) / math.sqrt(
        gap.numel()
    )


def test_no_diagonal_precision_does_better_than_the_best_mean_field() -> None:
    joint = factor_analysis()
    covariance = torch.linalg.inv(joint.posterior_precision)
    best = joint.posterior_precision.diagonal().rsqrt()
    zero, torch_mvn = torch.zeros(3, dtype=torch.float64), dist.MultivariateNormal

    def kl(scale: torch.Tensor) -> float:
        return float(
            kl_divergence(torch_mvn(zero, scale_tril=scale.diag()), torch_mvn(zero, covariance))
        )

    assert kl(best) == pytest.approx(joint.mean_field_gap())
    for scale in (covariance.diagonal().sqrt(), 1.1 * best, 0.9 * best):
        assert kl(scale) > kl(best)


def test_probabilistic_pca_is_the_maximum() -> None:
    x = simulate(factor_analysis(), 400)
    model, log_likelihood = probabilistic_pca(x, 2)
    assert log_likelihood == pytest.approx(float(model.log_prob(x).mean()), abs=1e-9)
    for name in ("weight", "loc", "variance"):
        for sign in (-1, 1):
            torch.manual_seed(0)
            value = getattr(model, name)
            noise = torch.randn(1).item() if name == "variance" else torch.randn_like(value)
            moved = {"weight": model.weight, "loc": model.loc, "variance": model.variance} | {
                name: value + sign * 0.01 * noise
            }
            assert float(FactorAnalysis(**moved).log_prob(x).mean()) < log_likelihood
    # The covariance that divides by N − 1 is a worse model.
    inflated = FactorAnalysis(
        model.weight * math.sqrt(400 / 399), model.loc, model.variance * 400 / 399
    )
    assert float(inflated.log_prob(x).mean()) < log_likelihood


def linear_vae(
    dimensions: int, latent_dim: int, **likelihood: float | str
) -> tuple[Generative, Amortized]:
    family = FullCovariance(latent_dim)
    encoder = MLP((dimensions,), (family.num_parameters,), layers=0)
    decoder = MLP((latent_dim,), (dimensions,), layers=0)
    model = Generative(StandardNormal(latent_dim), decoder, Gaussian((dimensions,), **likelihood))
    return model, Amortized(encoder, family)


@pytest.mark.parametrize("scale", [0.3, "learned"])
def test_a_linear_vae_is_recognised(scale: float | str) -> None:
    torch.manual_seed(0)
    model, guide = linear_vae(6, 2, scale=scale)
    found = model.double().tractable()
    guide.double()
    assert found is not None
    x = simulate(found, 50)
    exact = found.log_prob(x)
    torch.testing.assert_close(
        log_weights(model, ExactPosterior(found), x, 3), exact.expand(3, -1), atol=1e-8, rtol=0
    )
    assert elbo(model, guide, x, 200).mean < exact.mean()


def test_what_is_not_linear_is_not_recognised() -> None:
    prior, linear, deep = StandardNormal(2), MLP((2,), (6,), layers=0), MLP((2,), (6,), layers=1)
    predicted = MLP((2,), (2, 6), layers=0)
    assert Generative(prior, linear, Gaussian((6,))).tractable() is not None
    assert Generative(prior, deep, Gaussian((6,))).tractable() is None
    assert Generative(prior, linear, Bernoulli((6,))).tractable() is None
    assert Generative(Laplace(2), linear, Gaussian((6,))).tractable() is None
    assert Generative(prior, predicted, Gaussian((6,), scale="predicted")).tractable() is None
    assert Generative(prior, nn.Sequential(linear, nn.Tanh()), Gaussian((6,))).tractable() is None


def test_a_subclass_is_another_joint() -> None:
    """It may have another program, of which the components' closed form is not the evidence."""

    class Other(Generative):
        pass

    assert Other(StandardNormal(2), MLP((2,), (6,), layers=0), Gaussian((6,))).tractable() is None


def test_a_tractable_joint_is_its_own_closed_form(joint: Tractable) -> None:
    assert joint.tractable() is joint


def test_svi_reaches_probabilistic_pca() -> None:
    """The Tipping–Bishop maximum is the optimum of the linear VAE (Lucas et al. 2019)."""
    x = simulate(factor_analysis(), 512).float()
    _, best = probabilistic_pca(x, 3)
    torch.manual_seed(1)
    model, guide = linear_vae(6, 3, scale="learned")
    steps = 2500
    optimizer = FusedAdam((model, guide), 0.02, schedule=lambda s: max(1e-3, 1 - s / steps))
    svi = SVI(model, guide, optimizer, loss=objectives.ELBO())
    for _ in range(steps):
        svi.step(x[torch.randint(len(x), (256,))])
    found = model.tractable()
    assert found is not None
    reached = float(found.log_prob(x).mean())
    bound = iwae(model, guide, x, 1).mean
    assert best - 0.05 < reached <= best + 1e-4
    assert bound < best


def test_factor_analysis_of_pictures_is_that_of_vectors() -> None:
    flat = factor_analysis()
    picture = FactorAnalysis(flat.weight, flat.loc.reshape(2, 3), flat.variance.reshape(2, 3))
    z = torch.randn(4, 3)
    x = flat.conditional(z).sample()
    torch.testing.assert_close(
        picture.conditional(z).log_prob(x.reshape(4, 2, 3)), flat.conditional(z).log_prob(x)
    )
    torch.testing.assert_close(picture.log_prob(x.reshape(4, 2, 3)), flat.log_prob(x))
    torch.testing.assert_close(picture.posterior_mean(x.reshape(4, 2, 3)), flat.posterior_mean(x))

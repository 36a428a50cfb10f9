"""The facts of docs/derivation.md, each proved on this project's own pieces."""

import copy
import math
import re

import pyro.distributions as dist
import pytest
import torch

from evidence import elbo_terms, log_weights
from evidence.training.optimizer import FusedAdam
from guides.amortized import Amortized
from guides.families.mean_field import MeanField
from inference.fast.svi import FastSVI
from inference.objectives.elbo import ELBO
from models.generative import Generative
from models.joints import ExactPosterior, FactorAnalysis, Posterior
from models.likelihoods.gaussian import Gaussian
from models.priors.standard_normal import StandardNormal
from networks.mlp import MLP
from tests.conftest import ROOT

D, LATENT, N = 7, 3, 11


@pytest.fixture
def pair(double):
    """A small Gaussian VAE in float64, σ² = ½."""
    model = Generative(
        StandardNormal(LATENT), MLP((LATENT,), (D,), width=5, layers=1), Gaussian((D,))
    )
    family = MeanField(LATENT)
    return model, Amortized(MLP((D,), (family.num_parameters,), width=5, layers=1), family)


@pytest.fixture
def x(double):
    return torch.randn(N, D)


def gradients(loss, *modules):
    parameters = [p for module in modules for p in module.parameters()]
    return torch.autograd.grad(loss, parameters)


class TestSquaredErrorIsAGaussianLikelihood:
    """Fact 1."""

    def test_minus_log_likelihood_is_the_sum_of_squares_plus_one_constant(self, pair, x):
        model, _ = pair
        h = model.decoder(torch.randn(N, LATENT))
        remainder = -model.likelihood(h).log_prob(x) - ((x - h) ** 2).sum(-1)
        assert torch.allclose(
            remainder, torch.full((N,), D / 2 * math.log(math.pi)), atol=1e-12, rtol=0
        )

    def test_any_other_scale_weighs_the_squares_differently(self, x):
        """The check above can fail: with σ = 1 the remainder depends on x."""
        h = torch.zeros(N, D)
        remainder = -Gaussian((D,), scale=1.0)(h).log_prob(x) - ((x - h) ** 2).sum(-1)
        assert remainder.std() > 0.1

    def test_the_prior_does_not_enter_the_reconstruction(self, pair, x):
        """Another prior changes the KL and leaves the reconstruction, draw by draw."""
        model, guide = pair
        torch.manual_seed(1)
        before = elbo_terms(model, guide, x, 5)
        model.prior.scale.fill_(3.0)
        torch.manual_seed(1)
        after = elbo_terms(model, guide, x, 5)
        assert torch.equal(before.reconstruction, after.reconstruction)
        assert not torch.allclose(before.kl, after.kl)


class TestTheIdentity:
    """log p(x) = reconstruction − KL(q‖p(z)) + KL(q‖p(z|x)), and what the terms are (fact 2)."""

    @pytest.fixture
    def joint(self, double):
        return FactorAnalysis(torch.randn(D, LATENT), torch.randn(D), torch.rand(D) + 0.3)

    def test_every_term_in_closed_form(self, joint, x):
        """For any normal q, the three closed-form terms add up to the closed-form evidence."""
        q = dist.MultivariateNormal(torch.randn(N, LATENT), scale_tril=torch.eye(LATENT) * 0.7)
        gap = torch.distributions.kl_divergence(q, joint.posterior(x))
        rate = torch.distributions.kl_divergence(
            q, dist.MultivariateNormal(torch.zeros(LATENT), torch.eye(LATENT))
        )
        expected_residual = x - joint.loc - q.loc @ joint.weight.T
        spread = torch.einsum("di,nij,dj->nd", joint.weight, q.covariance_matrix, joint.weight)
        variance = joint.variance
        reconstruction = -0.5 * (
            (expected_residual**2 + spread) / variance + torch.log(2 * math.pi * variance)
        ).sum(-1)
        assert torch.allclose(reconstruction - rate + gap, joint.log_prob(x), atol=1e-10)
        assert (gap > 0).all()

    def test_the_exact_posterior_has_no_gap_at_any_draw(self, joint, x):
        weights = log_weights(joint, ExactPosterior(joint), x, 50)
        assert torch.allclose(weights, joint.log_prob(x).expand(50, -1), atol=1e-5, rtol=0)

    def test_a_wrong_posterior_has(self, joint, x):
        """The check above can fail."""
        wider = Posterior(
            lambda x: dist.MultivariateNormal(joint.posterior(x).mean, torch.eye(LATENT))
        )
        weights = log_weights(joint, wider, x, 50)
        assert not torch.allclose(weights, joint.log_prob(x).expand(50, -1), atol=1e-2, rtol=0)


class TestWeightDecayIsAPriorOnTheWeights:
    """Fact 3."""

    DECAY, RATE = 0.3, 0.01

    def trained(self, pair, x, optimizer_of, loss_of):
        model, guide = pair
        optimizer = optimizer_of(model, guide)
        for step in range(5):
            torch.manual_seed(step)
            loss_of(model, guide, x).backward()
            optimizer()
        return torch.cat([p.detach().flatten() for m in (model, guide) for p in m.parameters()])

    def loss(self, model, guide, x):
        return ELBO().differentiable_loss(model, guide, x) / len(x)

    def penalised(self, model, guide, x):
        weights = [p for m in (model, guide) for p in m.parameters() if p.ndim > 1]
        return self.loss(model, guide, x) + self.DECAY / 2 * sum((w**2).sum() for w in weights)

    def stepper(self, kind, **options):
        def make(model, guide):
            adam = kind([*model.parameters(), *guide.parameters()], lr=self.RATE, **options)
            return lambda: (adam.step(), adam.zero_grad())

        return make

    def ours(self, model, guide):
        optimizer = FusedAdam((model, guide), self.RATE, weight_decay=self.DECAY)
        return lambda: optimizer(())

    def test_it_equals_the_penalty_in_the_loss(self, pair, x):
        explicit = self.trained(
            copy.deepcopy(pair), x, self.stepper(torch.optim.Adam), self.penalised
        )
        ours = self.trained(copy.deepcopy(pair), x, self.ours, self.loss)
        decoupled = self.trained(
            pair, x, self.stepper(torch.optim.AdamW, weight_decay=self.DECAY), self.loss
        )
        assert torch.allclose(ours, explicit, atol=1e-10)
        assert not torch.allclose(decoupled, explicit, atol=1e-4), (
            "AdamW's decay is no penalty in the loss"
        )

    def test_the_penalty_is_minus_the_log_of_a_normal_prior(self, double):
        """(λ/2)‖w‖² per datum is −log N(w; 0, 1/(Nλ))/N up to a constant."""
        num_data, first, second = 60_000, torch.randn(4, 5), torch.randn(4, 5)
        prior = dist.Normal(torch.tensor(0.0), torch.tensor((num_data * self.DECAY) ** -0.5))
        per_datum = [-prior.log_prob(w).sum() / num_data for w in (first, second)]
        penalty = [self.DECAY / 2 * (w**2).sum() for w in (first, second)]
        assert torch.isclose(per_datum[0] - per_datum[1], penalty[0] - penalty[1])

    def test_the_terms_of_the_elbo_do_not_see_it(self, pair, x):
        """A step moves the weights by the decay; its loss is the ELBO without a penalty."""
        moved = []
        for decay in (0.0, self.DECAY):
            model, guide = copy.deepcopy(pair)
            optimizer = FusedAdam((model, guide), self.RATE, weight_decay=decay)
            svi = FastSVI(model, guide, optimizer, ELBO(), compiled=False)
            for step in range(3):
                torch.manual_seed(step)
                terms = elbo_terms(model, guide, x, 1)
                torch.manual_seed(step)
                loss = svi.step(x)
                penalty = sum((w**2).sum() for w in optimizer.parameters if w.ndim > 1)
                assert torch.isclose(loss, -terms.elbo.per_datum.sum(), rtol=1e-12)
                assert penalty > 1
            moved.append(torch.cat([p.detach().flatten() for p in optimizer.parameters]))
        assert not torch.allclose(*moved, atol=1e-3)


class TestMeanOverPixelsIsABetaVAE:
    """Fact 4."""

    def terms(self, pair, x):
        """Σ squares and KL of the batch, as the popular loss computes them, from one draw."""
        model, guide = pair
        torch.manual_seed(0)
        q = guide.posterior(x)
        squares = ((x - model.decoder(q.rsample())) ** 2).sum()
        return squares, torch.distributions.kl_divergence(q.base_dist, dist.Normal(0.0, 1.0)).sum()

    @pytest.mark.parametrize(("scale", "beta"), [(math.sqrt(0.5), D), (1.0, D / 2)])
    def test_its_gradient_is_that_of_beta(self, pair, x, scale, beta):
        """Mean squares + KL has the gradient of −log p(x|z) + β KL times 2σ²/D, for β = D/(2σ²)."""
        model, guide = pair
        squares, kl = self.terms(pair, x)
        averaged = gradients(squares / D + kl, model.decoder, guide)
        squares, kl = self.terms(pair, x)
        beta_vae = gradients(squares / (2 * scale**2) + beta * kl, model.decoder, guide)
        for a, b in zip(averaged, beta_vae, strict=True):
            assert torch.allclose(a, b * 2 * scale**2 / D, atol=1e-12)

    def test_it_is_not_that_of_the_elbo(self, pair, x):
        """The check above can fail: with β = 1 the gradients are not even parallel."""
        _, guide = pair
        squares, kl = self.terms(pair, x)
        averaged = torch.cat([g.flatten() for g in gradients(squares / D + kl, guide)])
        squares, kl = self.terms(pair, x)
        elbo = torch.cat([g.flatten() for g in gradients(squares + kl, guide)])
        assert torch.cosine_similarity(averaged, elbo, dim=0) < 0.99

    def test_this_project_sums_both(self, pair, x):
        """The loss per datum has all squares; an averaged loss would have 1/D of them."""
        from inference.objectives.analytic_kl import AnalyticKL

        model, guide = pair
        squares, kl = self.terms(pair, x)
        torch.manual_seed(0)
        loss = AnalyticKL().differentiable_loss(model, guide, x)
        assert torch.isclose(loss, squares + kl + N * D / 2 * math.log(math.pi), rtol=1e-10)


def test_every_quotation_in_the_derivation_is_a_line_of_the_project():
    """docs/derivation.md quotes code as ```python title="FILE"; each quoted line stands in FILE."""
    text = (ROOT / "docs/derivation.md").read_text()
    quotations = re.findall(r'```python title="([^"]+)"\n(.*?)```', text, re.DOTALL)
    assert len(quotations) >= 6
    for file, quoted in quotations:
        lines = {line.strip() for line in (ROOT / file).read_text().splitlines()}
        for line in quoted.strip().splitlines():
            assert line.strip() in lines | {"…", ""}, f"{line!r} is not in {file}"


def test_every_test_that_the_derivation_names_is_here():
    named = re.findall(r"`(Test\w+|test_\w+)`", (ROOT / "docs/derivation.md").read_text())
    assert len(set(named)) >= 5
    sources = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    for name in named:
        assert re.search(rf"(class|def) {name}\b", sources), name

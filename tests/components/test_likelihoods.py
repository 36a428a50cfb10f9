"""Contracts of every likelihood: space, normalisation, references, gradients, state, dtypes."""

import itertools

import numpy as np
import pytest
import torch
from scipy.integrate import quad

from data import SPACES
from errors import RequestError
from models.likelihoods import Bernoulli, Gaussian
from models.likelihoods.continuous_bernoulli import StableContinuousBernoulli
from models.likelihoods.discretized_logistic import RoundedLogistic
from models.likelihoods.gaussian import BatchOptimalNormal
from tests.components.factories import LEVELS, REFERENCES, SHAPE, cases, likelihood, make

every_likelihood = pytest.mark.parametrize(("name", "options"), cases("likelihood"))


def outputs(module, rows=3):
    return torch.randn(rows, *module.parameter_shape, dtype=torch.float64)


def one_dimensional(name, options):
    module = likelihood(name, options, shape=(1,)).double().eval()
    return module, module(torch.randn(1, *module.parameter_shape, dtype=torch.float64))


@every_likelihood
def test_samples_have_the_shape_and_lie_in_the_space(name, options):
    module = likelihood(name, options).double()
    p = module(outputs(module))
    assert (p.batch_shape, p.event_shape) == ((3,), SHAPE)
    x = p.sample((50,))
    assert x.shape == (50, 3, *SHAPE) and x.is_floating_point()
    assert (
        all(SPACES[space].contains(x).all() for space in module.spaces) or "unit" in module.spaces
    )
    if module.spaces == ("unit",):
        assert SPACES["unit"].contains(x).all()
    assert p.log_prob(x).shape == (50, 3) and p.log_prob(x).isfinite().all()


@every_likelihood
def test_density_is_one_in_total(name, options):
    module, p = one_dimensional(name, options)
    if SPACES[module.spaces[0]].measure == "counting":
        top = {"binary": 2, "bytes": LEVELS, "counts": 2000}[module.spaces[0]]
        total = sum(
            p.log_prob(torch.tensor([[float(k)]], dtype=torch.float64)).exp().item()
            for k in range(top)
        )
    else:
        low, high = (0, 1) if module.spaces == ("unit",) else (-np.inf, np.inf)
        total = quad(
            lambda x: p.log_prob(torch.tensor([[x]], dtype=torch.float64)).exp().item(),
            low,
            high,
            limit=200,
        )[0]
    assert total == pytest.approx(1, abs=1e-6)


@every_likelihood
def test_mean_is_that_of_the_density_and_start_puts_it_at_the_data_mean(name, options):
    module, _ = one_dimensional(name, options)
    h = torch.randn(1, *module.parameter_shape, dtype=torch.float64)
    drawn = module(h).sample((40_000,))
    error = drawn.std() / 200
    assert (
        drawn.mean() - module.mean(h)
    ).abs().item() < 6 * error + 1e-9  # 6 standard errors: P(fail) ≈ 2e-9
    mean = torch.tensor([0.3 if module.spaces[0] in ("binary", "unit", "real") else 1.7])
    start = module.start(mean)
    assert start.shape == module.parameter_shape
    tolerance = 0.1 if name == "discretized_logistic" else 1e-3  # the open edge bins shift its mean
    assert module.mean(start.double()[None])[0].item() == pytest.approx(mean.item(), rel=tolerance)


@every_likelihood
def test_gradients_reach_every_parameter_and_output(name, options):
    module = likelihood(name, options).double()
    h = outputs(module).requires_grad_()
    x = module(h).sample()
    module(h).log_prob(x).sum().backward()
    for tensor in (h, *module.parameters()):
        assert (
            tensor.grad is not None and tensor.grad.isfinite().all() and tensor.grad.abs().sum() > 0
        )


@every_likelihood
def test_state_survives_and_precisions_agree(name, options):
    torch.manual_seed(1)
    module, other = likelihood(name, options), likelihood(name, options)
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter)
    other.load_state_dict(module.state_dict())
    module.eval(), other.eval()
    h = torch.randn(4, *module.parameter_shape)
    x = module(h).sample()
    assert torch.equal(module(h).log_prob(x), other(h).log_prob(x))
    low, high = module(h).log_prob(x), other.double()(h.double()).log_prob(x.double())
    assert torch.allclose(low.double(), high, rtol=1e-4, atol=1e-4)


@every_likelihood
def test_log_prob_agrees_with_scipy(name, options):
    module = likelihood(name, options).double().eval()
    if options.get("scale") == "optimal":
        pytest.skip("its own test below")
    h = outputs(module, 20)
    x = module(h).sample()
    ours = module(h).log_prob(x).detach().numpy()
    assert ours == pytest.approx(REFERENCES[name](module, h.numpy(), x.numpy()).sum(-1), abs=1e-9)


def test_optimal_scale_is_the_batch_optimum_while_training_and_the_frozen_one_after():
    module = likelihood("gaussian", {"scale": "optimal"}).double()
    h, x = torch.randn(50, *SHAPE).double(), torch.randn(50, *SHAPE).double()
    rmse = (x - h).square().mean().sqrt()
    trained = module(h).log_prob(x)
    assert torch.allclose(trained, torch.distributions.Normal(h, rmse).log_prob(x).sum(-1))
    for other in (0.9, 1.1):  # it is the optimum
        assert trained.sum() > torch.distributions.Normal(h, rmse * other).log_prob(x).sum()
    module.refit([(h[:20], x[:20]), (h[20:], x[20:])])
    assert module.optimal_scale.item() == pytest.approx(rmse.item())
    frozen = module.eval()(h[:1]).log_prob(x[:1])
    assert torch.allclose(frozen, torch.distributions.Normal(h[:1], rmse).log_prob(x[:1]).sum(-1))


@pytest.mark.parametrize("scale", ["learned", "per_dimension", "predicted", "optimal"])
def test_a_learned_scale_stops_at_the_quantum_and_says_so(scale):
    module = likelihood("gaussian", {"scale": scale}).double()
    assert "0.2" in module.note and "grey level" in module.note
    h = torch.full((4, *module.parameter_shape), -1e3, dtype=torch.float64)
    for parameter in module.parameters():
        torch.nn.init.constant_(parameter, -1e3)
    x = module.mean(h)
    bound = len(SHAPE) * 2 * torch.distributions.Normal(0.0, 1 / LEVELS).log_prob(torch.tensor(0.0))
    assert (module(h).log_prob(x) <= bound + 1e-4).all()


@pytest.mark.parametrize("eta", [-300.0, -50.0, -16.5, -0.1, -1e-6, 0.0, 1e-3, 0.0999, 20.0, 300.0])
def test_continuous_bernoulli_stays_a_density_where_torch_clamps(eta):
    p = StableContinuousBernoulli(logits=torch.tensor(eta, dtype=torch.float64))
    density = lambda x: p.log_prob(torch.tensor(x, dtype=torch.float64)).exp().item()  # noqa: E731
    edge = min(1.0, 40 / max(abs(eta), 1))
    points = (0, edge) if eta < 0 else (1 - edge, 1)
    assert quad(density, *points)[0] == pytest.approx(1, abs=1e-8)
    u = torch.linspace(0.05, 0.95, 7, dtype=torch.float64)
    for x, probability in zip(p.icdf(u).tolist(), u.tolist(), strict=True):
        assert quad(density, 0, x, points=[max(0.0, x - edge)])[0] == pytest.approx(
            probability, abs=2e-5
        )


def test_rounded_logistic_is_finite_far_from_its_bin_and_sums_to_one():
    for loc, scale in itertools.product([-1e4, 0.0, 100.3, 255.0, 1e4], [1e-2, 1.0, 1e3]):
        p = RoundedLogistic(torch.tensor(loc), torch.tensor(scale), 256)
        log_mass = p.log_prob(torch.arange(256.0))
        assert not log_mass.isnan().any() and log_mass.max() <= 1e-5
        assert log_mass.double().logsumexp(0).item() == pytest.approx(0, abs=1e-3)


def test_grey_bernoulli_is_refused_because_its_normaliser_is_missing():
    why = Bernoulli.misfit("unit", 784)
    assert why is not None and "543" in why and "normaliser" in why
    # The claim itself: over [0, 1] the formula integrates to at most ½, whatever the logit.
    for logit in (-20.0, -1.0, 0.0, 3.0):
        integral = quad(lambda x, a=logit: np.exp(a * x - np.logaddexp(0, a)), 0, 1)[0]
        assert integral <= 0.5 + 1e-12
    assert Bernoulli.misfit("real", 784) is None


@pytest.mark.parametrize("scale", [0.0, -1.0, float("nan"), "big"])
def test_a_bad_scale_is_refused_by_name(scale):
    """The component names its parameter; who builds it from a request adds the axis."""
    says = rf"scale={scale}: must be a positive number or one of learned, .*optimal"
    with pytest.raises(ValueError, match=rf"^{says}$"):
        Gaussian(SHAPE, scale=scale)
    with pytest.raises(RequestError, match=rf"^likelihood\.{says}$"):
        likelihood("gaussian", {"scale": scale})


@pytest.mark.parametrize("name", ["categorical", "discretized_logistic"])
def test_a_likelihood_on_levels_refuses_data_without_levels(name):
    with pytest.raises(RequestError, match=r"^likelihood\.levels=null: .* not quantised$"):
        make("likelihood", name, shape=SHAPE, levels=None)


@every_likelihood
def test_only_the_optimal_scale_is_refitted_and_couples_the_data(name, options):
    module = likelihood(name, options)
    optimal = options.get("scale") == "optimal"
    assert module.needs_refit == optimal
    assert (module.couples_data is not None) == optimal


@pytest.mark.parametrize("name", [*REFERENCES])
def test_training_starts_at_the_means_of_any_data(name):
    """Also where a column is always at the end of its space, or nearly."""
    module = likelihood(name, {}).double()
    ends = {"binary": (0, 1), "unit": (0, 1), "bytes": (0, LEVELS - 1), "counts": (0, 1000)}
    low, high = ends.get(module.spaces[0], (-1000, 1000))
    for share in (0.0, 1e-3, 0.1, 0.45, 0.5, 0.55, 0.9, 1.0):
        mean = torch.full(SHAPE, low + share * (high - low))
        found = module.mean(module.start(mean).double()[None])[0]
        near = 0.011 + (0.1 * LEVELS if module.spaces[0] == "bytes" else 1e-5 * abs(mean))
        assert ((found - mean).abs() < near).all(), share


def test_an_expanded_optimal_normal_has_the_optimum_of_all_and_the_same_floor():
    normal = BatchOptimalNormal(torch.zeros(2), torch.tensor(1.0), 0.25, validate_args=False)
    for error in (0.0, 0.5):
        x = error * torch.randn(7, 2)
        scale = max(float(x.square().mean().sqrt()), 0.25)
        found = normal.expand(torch.Size((7, 2))).log_prob(x)
        torch.testing.assert_close(found, torch.distributions.Normal(0.0, scale).log_prob(x))

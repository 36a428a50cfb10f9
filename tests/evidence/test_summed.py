"""Discrete latents beside continuous ones, against a Gaussian mixture in closed form.

y ~ Categorical, z ~ N(m_y, s_y²), and x ~ N(a_y z, σ²) in two numbers.
"""

import itertools

import pyro
import pyro.distributions as dist
import pytest
import torch
from torch import Tensor

from evidence import (
    Annealing,
    Coupling,
    UnsupportedPair,
    ais,
    bracket,
    elbo,
    eubo,
    exact,
    impute,
    iw_eubo,
    iwae,
    log_weights,
    recorded,
    simulate,
)
from evidence.joint import Joint
from evidence.recording import Calls
from examples.other_libraries.pyro_semisupervised_pair import SSVAE, pair
from models.clustered import Clustered
from models.likelihoods.bernoulli import Bernoulli
from models.priors.mixture import Mixture
from networks.mlp import MLP
from tests.evidence.statistics_checks import is_below

WEIGHTS = torch.tensor([0.5, 0.3, 0.2])
MEANS, SCALES = torch.tensor([-1.0, 0.5, 2.0]), torch.tensor([0.6, 1.0, 0.4])
SLOPES, NOISE = torch.tensor([[1.0, 0.5], [-1.0, 1.0], [0.3, 2.0]]), 0.7


def model(x: Tensor) -> None:
    with pyro.plate("data", len(x)):
        y = pyro.sample("y", dist.Categorical(WEIGHTS))
        z = pyro.sample("z", dist.Normal(MEANS[y], SCALES[y]))
        pyro.sample("x", dist.Normal(SLOPES[y] * z.unsqueeze(-1), NOISE).to_event(1), obs=x)


def hot(x: Tensor) -> None:
    """The same with y one-hot, as Pyro's semi-supervised example has it."""
    with pyro.plate("data", len(x)):
        y = pyro.sample("y", dist.OneHotCategorical(WEIGHTS.expand(len(x), 3)))
        z = pyro.sample("z", dist.Normal(y @ MEANS, y @ SCALES))
        pyro.sample("x", dist.Normal((y @ SLOPES) * z.unsqueeze(-1), NOISE).to_event(1), obs=x)


def given_y(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """log p(x, y), and mean and deviation of p(z|x, y), each (rows, 3)."""
    of_x = SLOPES.unsqueeze(2) @ SLOPES.unsqueeze(1) * SCALES.square()[:, None, None]
    normal = dist.MultivariateNormal(
        SLOPES * MEANS[:, None], of_x + NOISE**2 * torch.eye(2).expand(3, 2, 2)
    )
    precision = SCALES**-2 + SLOPES.square().sum(1) / NOISE**2
    mean = (MEANS / SCALES**2 + x @ SLOPES.T / NOISE**2) / precision
    log_joint = WEIGHTS.log() + normal.log_prob(x.unsqueeze(1))
    return log_joint, mean, precision.rsqrt().expand_as(mean)


def posterior(x: Tensor) -> None:
    """q(y|x) q(z|x, y): the posterior."""
    log_joint, mean, deviation = given_y(x)
    with pyro.plate("data", len(x)):
        y = pyro.sample("y", dist.Categorical(logits=log_joint)).unsqueeze(1)
        pyro.sample("z", dist.Normal(mean.gather(1, y)[:, 0], deviation.gather(1, y)[:, 0]))


def hot_posterior(x: Tensor) -> None:
    log_joint, mean, deviation = given_y(x)
    with pyro.plate("data", len(x)):
        y = pyro.sample("y", dist.OneHotCategorical(logits=log_joint))
        pyro.sample("z", dist.Normal((mean * y).sum(1), (deviation * y).sum(1)))


def wide(x: Tensor) -> None:
    """q(z|x) alone."""
    with pyro.plate("data", len(x)):
        pyro.sample("z", dist.Normal(0.3 * x[:, 1], 1.3))


def data(count: int) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
    torch.manual_seed(0)
    x, z = simulate(model, wide, torch.zeros(count, 2))
    return x, given_y(x)[0].double().logsumexp(1), z


@pytest.mark.parametrize("programs", [(model, posterior), (hot, hot_posterior)])
def test_with_the_exact_posterior_every_weight_is_the_evidence(programs):
    """Both sums are taken: one over p(y, z, x) and one over q(y, z|x)."""
    x, truth, _ = data(40)
    found = log_weights(*programs, x, 9)
    torch.testing.assert_close(found, truth.expand(9, -1), rtol=0, atol=1e-3)
    drawn = {"z": torch.randn(40)}
    found = eubo(*programs, x, drawn).per_datum
    torch.testing.assert_close(found, truth, rtol=0, atol=1e-3)


def test_every_estimator_of_a_guide_without_y(monkeypatch):
    monkeypatch.setattr("evidence.kernel.TUNING_STEPS", 20)
    x, truth, z = data(300)
    assert list(z) == ["z"]
    plan = Annealing(10, 4, 2, start="guide")
    chains = Coupling(leapfrogs=2, lag=5, burn_in=10)
    few = bracket(model, wide, x, plan, chains)
    ladder = [
        elbo(model, wide, x, 20).per_datum,
        iwae(model, wide, x, 300).per_datum,
        truth,
        iw_eubo(model, wide, x, z, 300).per_datum,
        eubo(model, wide, x, z).per_datum,
    ]
    for lower, upper in itertools.pairwise(ladder):
        assert is_below(lower, upper)
    assert few.upper.details.never_met == 0
    assert is_below(few.lower.per_datum, truth) and is_below(truth, few.upper.per_datum)
    assert float((ladder[1] - truth).abs().mean()) < 0.2 and float(few.gap.mean()) < 1
    assert exact(model, wide, x) is None, "there is no grid over y and z"


def test_a_clustered_model_is_the_mixture_it_is():
    """With y a site or summed in closed form, the same draws have the same weights."""
    torch.manual_seed(0)
    likelihood = Bernoulli((4,))
    decoder = MLP((2,), likelihood.parameter_shape, width=8, layers=1)
    clustered = Clustered(Mixture(2, components=3), decoder, likelihood)
    x = torch.randint(0, 2, (20, 4)).float()

    def guide(x: Tensor) -> None:
        with pyro.plate("data", len(x)):
            pyro.sample("z", dist.Normal(torch.zeros(len(x), 2), 1.0).to_event(1))

    found = []
    for program in (clustered, clustered.joint):
        torch.manual_seed(1)
        found.append(log_weights(program, guide, x, 30))
    torch.testing.assert_close(found[1], found[0], rtol=0, atol=1e-4)


def test_the_semi_supervised_example_of_pyro_without_its_labels():
    """p(x, z) = Σ_y p(x, y, z), with every label given in turn, at the same z."""
    torch.manual_seed(0)
    vae, x = SSVAE(), torch.randint(0, 2, (6, 64)).float()
    u, labels = torch.randn(6, 4), torch.eye(10).repeat_interleave(6, 0)
    with torch.no_grad():
        given = Joint(*pair(vae), (x.repeat(10, 1), labels)).model_terms(u.repeat(10, 1))
        found = Joint(*pair(vae), x).model_terms(u)
    truth = sum(given).unflatten(0, (10, -1)).logsumexp(0)
    torch.testing.assert_close(sum(found), truth, rtol=0, atol=1e-4)
    assert bool(iwae(*pair(vae), x, 50).per_datum.isfinite().all())
    pyro.clear_param_store()


def test_recorded_sums_are_the_same():
    x, _, _ = data(20)
    found = []
    for enabled in (False, True):
        torch.manual_seed(0)
        with recorded(enabled, into=Calls(None)) as calls:
            found.append(ais(model, posterior, x, Annealing(3, 2, 2, start="guide")).per_datum)
    assert calls.why_eager is None and calls.graphs
    torch.testing.assert_close(found[1], found[0])


def test_what_cannot_be_summed_is_refused_by_name():
    x, _, _ = data(5)

    def counts(x: Tensor) -> None:
        with pyro.plate("data", len(x)):
            y = pyro.sample("y", dist.Poisson(2.0))
            z = pyro.sample("z", dist.Normal(y, 1.0))
            pyro.sample("x", dist.Normal(z.unsqueeze(-1).expand(-1, 2), 1.0).to_event(1), obs=x)

    def many(x: Tensor) -> None:
        with pyro.plate("data", len(x)):
            pyro.sample("y", dist.Bernoulli(0.5 * torch.ones(11)).to_event(1))
            z = pyro.sample("z", dist.Normal(torch.zeros(len(x)), 1.0))
            pyro.sample("x", dist.Normal(z.unsqueeze(-1).expand(-1, 2), 1.0).to_event(1), obs=x)

    def label(x: Tensor) -> None:
        with pyro.plate("data", len(x)):
            pyro.sample("y", dist.Categorical(WEIGHTS.expand(len(x), 3)))

    for measure in (
        lambda m, g: elbo(m, g, x, 3),
        lambda m, g: ais(m, g, x, Annealing(2, 1, 1)),
        lambda m, g: eubo(m, g, x, {"z": x[:, 0]}),
    ):
        with pytest.raises(UnsupportedPair, match="'y' has no few values"):
            measure(counts, wide)
        with pytest.raises(UnsupportedPair, match="'y' have 2,048 assignments"):
            measure(many, wide)
        with pytest.raises(UnsupportedPair, match="'y' is discrete, and none is continuous"):
            measure(model, label)
    with pytest.raises(UnsupportedPair, match="'y' is discrete"):
        impute(model, wide, x, torch.tensor([True, False]), torch.zeros(2), 100)

"""Objectives against references, exact identities and the defects of peers.

`same_noise` gives the programs their noise: two objectives, or one objective on parts of a batch,
then see equal draws.
"""

import math
from contextlib import contextmanager

import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro import poutine
from pyro.infer import RenyiELBO
from torch import nn

from errors import RequestError
from experiment.build import build_pair
from inference.objectives.beta import BetaELBO
from inference.objectives.draws import reparametrized
from inference.objectives.dreg import DReG
from inference.objectives.elbo import ELBO
from inference.objectives.free_bits import FreeBits
from inference.objectives.iwae import IWAE
from inference.objectives.renyi import Renyi
from inference.objectives.stl import STL
from models.joints import FactorAnalysis
from tests.components.factories import OBJECTIVES, cases, config, dataset, make

LATENT, SHAPE, BATCH = 2, 3, 4
Z = 6.5
"""Two-sided normal quantile at 8e-11."""
every_objective = pytest.mark.parametrize(("name", "options"), cases("objective"))


@pytest.fixture(autouse=True)
def _double(double):
    """These identities hold to rounding."""


@contextmanager
def same_noise(noise):
    """Inside, particle k of the data is made of `noise` (K, N, latent), however it is drawn."""
    drawn, original = [0], torch.distributions.normal._standard_normal

    def given(shape, dtype, device):
        if len(shape) == noise.dim():
            return noise[: shape[0]]
        drawn[0] += 1
        return noise[(drawn[0] - 1) % len(noise)]

    torch.distributions.normal._standard_normal = given
    try:
        yield
    finally:
        torch.distributions.normal._standard_normal = original


class Model(nn.Module):
    """z ~ N(0, I), x|z ~ N(Wz + b, σ²); the data are a minibatch of `total`, if it is given."""

    def __init__(self, total=None):
        super().__init__()
        torch.manual_seed(1)
        self.decoder, self.total = nn.Linear(LATENT, SHAPE), total

    def forward(self, x):
        with pyro.plate("data", self.total or len(x), subsample=None if self.total is None else x):
            z = pyro.sample("z", dist.Normal(torch.zeros(LATENT), 1.0).to_event(1))
            return pyro.sample("x", dist.Normal(self.decoder(z), 0.7).to_event(1), obs=x)


class Guide(nn.Module):
    """q(z|x) = N(Ax + b, diag σ²)."""

    def __init__(self, total=None):
        super().__init__()
        torch.manual_seed(2)
        self.encoder, self.total = nn.Linear(SHAPE, 2 * LATENT), total

    def forward(self, x):
        with pyro.plate("data", self.total or len(x), subsample=None if self.total is None else x):
            loc, raw = self.encoder(x).chunk(2, -1)
            return pyro.sample("z", dist.Normal(loc, raw.exp()).to_event(1))


def problem(particles=5):
    generator = torch.Generator().manual_seed(0)
    x, noise = (
        torch.randn(BATCH, SHAPE, generator=generator),
        torch.randn(particles, BATCH, LATENT, generator=generator),
    )
    return Model(), Guide(), x, noise


def gradients(loss, *parts):
    return torch.cat(
        [
            g.flatten()
            for g in torch.autograd.grad(loss, [p for part in parts for p in part.parameters()])
        ]
    )


# Values and gradients


@pytest.mark.parametrize("particles", [1, 5])
@pytest.mark.parametrize(
    "objective", [IWAE, *(lambda k, a=a: Renyi(k, a) for a in (0.0, 0.5, 2.0, -1.0))]
)
def test_iwae_and_renyi_are_pyros_where_nothing_is_scaled(objective, particles):
    model, guide, x, noise = problem(particles)
    ours = objective(particles)
    reference = RenyiELBO(alpha=getattr(ours, "alpha", 0.0), num_particles=particles)

    def registered(program, name):
        return lambda x: pyro.module(name, program)(x)

    with same_noise(noise):
        value = ours.differentiable_loss(model, guide, x)
        expected = reference.loss_and_grads(
            registered(model, "model"), registered(guide, "guide"), x
        )
    theirs = torch.cat([p.grad.flatten() for part in (model, guide) for p in part.parameters()])
    assert value.item() == pytest.approx(float(expected), rel=1e-12)
    assert gradients(value, model, guide).numpy() == pytest.approx(
        theirs.numpy(), rel=1e-9, abs=1e-12
    )
    pyro.clear_param_store()


def test_renyi_at_one_is_the_elbo_and_approaches_it():
    model, guide, x, noise = problem()
    with same_noise(noise):
        elbo = ELBO(5).differentiable_loss(model, guide, x).item()
    values = []
    for alpha in (1.0, 1 - 1e-6, 1 + 1e-6):
        with same_noise(noise):
            values.append(Renyi(5, alpha).differentiable_loss(model, guide, x).item())
    assert values[0] == pytest.approx(elbo, rel=1e-12) and values[1:] == pytest.approx(
        [elbo] * 2, rel=1e-5
    )


def test_bounds_are_ordered_on_every_draw():
    """Rényi(2) < ELBO < Rényi(½) < IWAE of the same particles; DReG is IWAE, and STL the ELBO."""
    model, guide, x, noise = problem()
    bounds = []
    for objective in (ELBO(5), Renyi(5, 0.5), IWAE(5), DReG(5), STL(5), Renyi(5, 2.0)):
        with same_noise(noise):
            bounds.append(-objective.differentiable_loss(model, guide, x).item())
    elbo, renyi, iwae, dreg, stl, above_one = bounds
    assert above_one < elbo < renyi < iwae
    assert dreg == pytest.approx(iwae, rel=1e-12) and stl == pytest.approx(elbo, rel=1e-12)


# One weight per datum


def is_per_datum(objective):
    """Whether the loss of a batch is the sum of the losses of its data, each with its own draws."""
    model, guide, x, noise = problem()
    with same_noise(noise):
        whole = objective.differentiable_loss(model, guide, x).item()
    parts = []
    for n in range(BATCH):
        with same_noise(noise[:, n : n + 1]):
            parts.append(objective.differentiable_loss(model, guide, x[n : n + 1]).item())
    return whole == pytest.approx(sum(parts), rel=1e-10)


class JointIWAE(IWAE):
    """The planted bug: one weight for the whole batch."""

    def differentiable_loss(self, model, guide, *batch):
        log_weights = reparametrized(model, guide, batch, self.num_particles).log_weights.sum(1)
        return -(log_weights.logsumexp(0) - math.log(self.num_particles))


@every_objective
def test_the_loss_of_a_batch_is_that_of_its_data(name, options):
    # The rate of free_bits is averaged over the batch before its threshold; with 0 it is per datum.
    assert is_per_datum(
        make("objective", name, options | ({"nats": 0.0} if name == "free_bits" else {}))
    )


def test_a_joint_weight_is_caught():
    assert not is_per_datum(JointIWAE(5))


# Scales and subsampling


class Scaled(nn.Module):
    """`program` under poutine.scale."""

    def __init__(self, program, scale):
        super().__init__()
        self.program, self.scale = program, scale

    def forward(self, *batch):
        with poutine.scale(scale=self.scale):
            return self.program(*batch)


@pytest.mark.parametrize(("name", "options"), [*cases("objective"), ("free_bits", {"nats": 50.0})])
@pytest.mark.parametrize("how", ["scale", "subsample"])
def test_a_scale_multiplies_the_bound(name, options, how):
    """`poutine.scale(8)`, or four of 32 data in the plate: 8 times the loss and its gradient."""
    model, guide, x, noise = problem()
    objective = make("objective", name, options)
    pairs = {
        "scale": (Scaled(model, 8.0), Scaled(guide, 8.0)),
        "subsample": (Model(8 * BATCH), Guide(8 * BATCH)),
    }
    with same_noise(noise):
        once = objective.differentiable_loss(model, guide, x)
    with same_noise(noise):
        eight = objective.differentiable_loss(*pairs[how], x)
    assert eight.item() == pytest.approx(8 * once.item(), rel=1e-10)
    expected = 8 * gradients(once, model, guide)
    assert gradients(eight, *pairs[how]).numpy() == pytest.approx(
        expected.numpy(), rel=1e-9, abs=1e-10
    )


def test_pyros_renyi_exponentiates_the_scale():
    """Under a scale Pyro's value is no multiple of the bound. The day this fails, use Pyro's."""
    model, guide, x, noise = problem()
    pyros = RenyiELBO(alpha=0.0, num_particles=5)
    with same_noise(noise):
        once = pyros.loss(model, guide, x)
    with same_noise(noise):
        under_scale = pyros.loss(Scaled(model, 8.0), Scaled(guide, 8.0), x)
    with same_noise(noise):
        subsampled = pyros.loss(Model(8 * BATCH), Guide(8 * BATCH), x)
    best = -8 * max_weights(model, guide, x, noise)
    assert abs(under_scale - 8 * once) > 1 and under_scale == pytest.approx(subsampled)
    assert best - 1e-9 < under_scale < 8 * once, (
        "it is pulled to the largest weight, above the bound"
    )


def max_weights(model, guide, x, noise):
    with same_noise(noise):
        return reparametrized(model, guide, (x,), len(noise)).log_weights.max(0).values.sum().item()


@pytest.mark.parametrize("name", ["beta", "iwae", "stl", "dreg", "free_bits", "renyi"])
def test_sites_of_different_scales_are_refused(name):
    model, guide, x, _ = problem()
    with pytest.raises(ValueError, match="use the objective beta"):
        make("objective", name).differentiable_loss(model, Scaled(guide, 0.5), x)


@pytest.mark.parametrize(
    ("of_model", "of_guide"),
    [
        (torch.tensor(2.0), 3.0),
        (1.0, torch.tensor(3.0)),
        (torch.tensor(2.0), torch.tensor(3.0)),
        (2.0, torch.linspace(1, 2, BATCH)),
        (2.0, torch.full((BATCH + 1,), 2.0)),
    ],
)
def test_scales_that_are_tensors_are_compared(of_model, of_guide):
    model, guide, x, _ = problem()
    with pytest.raises(ValueError, match="scale"):
        IWAE(5).differentiable_loss(Scaled(model, of_model), Scaled(guide, of_guide), x)


class Weighing(nn.Module):
    """`program`, in which every datum has a weight that it says itself."""

    def __init__(self, program):
        super().__init__()
        self.program = program

    def forward(self, x):
        with poutine.scale(scale=torch.where(x[:, 0] > 0, 2.0, 1e-15)):
            return self.program(x)


@pytest.mark.parametrize(("name", "options"), cases("objective"))
def test_a_scale_of_each_datum_weighs_its_bound(name, options):
    model, guide, x, noise = problem()
    objective = make("objective", name, options)
    x[:, 0] = x[:, 0].abs()
    with same_noise(noise):
        once = objective.differentiable_loss(model, guide, x)
    with same_noise(noise):
        weighed = objective.differentiable_loss(Weighing(model), Weighing(guide), x)
    assert weighed.item() == pytest.approx(2 * once.item(), rel=1e-5)
    x[1:, 0] *= -1  # the first datum alone has a weight
    with same_noise(noise):
        first = objective.differentiable_loss(Weighing(model), Weighing(guide), x)
    with same_noise(noise[:, :1]):
        alone = objective.differentiable_loss(model, guide, x[:1])
    assert first.item() == pytest.approx(2 * alone.item(), rel=1e-5)


# Gradients


class Posterior(nn.Module):
    """The exact posterior of a FactorAnalysis, with parameters of its own for every datum.

    One backward pass then gives a draw of the gradient for each datum.

    `away` moves it off the posterior.
    """

    def __init__(self, joint, x, away=0.0):
        super().__init__()
        q = joint.posterior(x)
        self.loc = nn.Parameter(q.loc + away)
        self.tril = nn.Parameter(q.scale_tril.expand(len(x), LATENT, LATENT) * (1 + away))

    def forward(self, x):
        with pyro.plate("data", len(x)):
            return pyro.sample("z", dist.MultivariateNormal(self.loc, scale_tril=self.tril.tril()))


def factor_analysis(rows):
    """The joint and one datum, `rows` times."""
    generator = torch.Generator().manual_seed(0)
    joint = FactorAnalysis(torch.randn(SHAPE, LATENT, generator=generator), torch.zeros(SHAPE), 0.5)
    return joint, torch.randn(1, SHAPE, generator=generator).expand(rows, -1)


def sampled_gradients(objective, joint, x, away=0.0, seed=0):
    """(rows, parameters): independent draws of the guide's gradient at one datum."""
    guide = Posterior(joint, x, away)
    torch.manual_seed(seed)
    objective.differentiable_loss(joint, guide, x).backward()
    lower = torch.tril_indices(LATENT, LATENT)
    return torch.cat([guide.loc.grad, guide.tril.grad[:, lower[0], lower[1]]], -1)


@pytest.mark.parametrize(
    "objective", [STL(), STL(4), DReG(), DReG(1)], ids=["stl", "stl-4", "dreg", "dreg-1"]
)
def test_path_gradients_vanish_at_the_posterior(objective):
    assert sampled_gradients(objective, *factor_analysis(50)).abs().max() < 1e-10


@pytest.mark.parametrize("name", ["elbo", "analytic_kl", "iwae"])
def test_other_gradients_have_variance_there(name):
    assert (sampled_gradients(make("objective", name), *factor_analysis(50)).std(0) > 0.1).all()


class NoPath(STL):
    """A planted bug: log q is a constant, not only its parameters."""

    def differentiable_loss(self, model, guide, *batch):
        draws = reparametrized(model, guide, batch, self.num_particles)
        constant = sum(value.detach() for value in draws.log_guide.values())
        return -(draws.log_likelihood + sum(draws.log_prior.values()) - constant).mean(0).sum()


class OneWeight(DReG):
    """A planted bug: w̃ where w̃² belongs (Roeder et al.'s gradient in IWAE, which is biased)."""

    def differentiable_loss(self, model, guide, *batch):
        draws = reparametrized(model, guide, batch, self.num_particles, frozen_guide=True)
        return -(draws.log_weights.logsumexp(0) - math.log(self.num_particles)).sum()


def have_equal_means(one, other, rows=20_000):
    """Whether two gradients of the guide have the same expectation, by paired draws.

    Each parameter's mean difference is within Z standard errors of 0. With 5 parameters P(false
    alarm) < 5·8e-11, by the normal limit.
    """
    joint, x = factor_analysis(rows)
    difference = sampled_gradients(one, joint, x, 0.3) - sampled_gradients(other, joint, x, 0.3)
    return bool((difference.mean(0).abs() < Z * difference.std(0) / math.sqrt(rows) + 1e-12).all())


@pytest.mark.parametrize(
    ("path", "plain"),
    [(STL(), ELBO()), (STL(3), ELBO(3)), (DReG(5), IWAE(5))],
    ids=["stl", "stl-3", "dreg"],
)
def test_path_gradients_are_unbiased(path, plain):
    assert have_equal_means(path, plain)


@pytest.mark.parametrize(
    ("bug", "plain"), [(NoPath(), ELBO()), (OneWeight(5), IWAE(5))], ids=["no path", "one weight"]
)
def test_biased_gradients_are_caught(bug, plain):
    assert not have_equal_means(bug, plain)


def agree_on_two_layers(one, other, runs=150):
    """The same for a guide with two latents, of which one depends on the other.

    All parameters are compared at once, along one random direction. P(false alarm) = 8e-11 by the
    normal limit; the noise is paired by the seed.
    """
    data = dataset("binary", examples=8)
    model, guide = (
        part.double() for part in build_pair(config(model=("hierarchical", {"width": 8})), data)
    )
    x, differences = data.train[:].double(), []
    direction = torch.randn(sum(p.numel() for p in guide.parameters()))
    for seed in range(runs):
        slopes = []
        for objective in (one, other):
            torch.manual_seed(seed)
            slopes.append(
                gradients(objective.differentiable_loss(model, guide, x), guide) @ direction
            )
        differences.append(slopes[0] - slopes[1])
    difference = torch.stack(differences)
    return bool(difference.mean().abs() < Z * difference.std() / math.sqrt(runs))


@pytest.mark.parametrize(
    ("path", "plain"), [(STL(), ELBO()), (DReG(3), IWAE(3))], ids=["stl", "dreg"]
)
def test_path_gradients_are_unbiased_with_two_layers(path, plain):
    assert agree_on_two_layers(path, plain)


@pytest.mark.parametrize(
    ("bug", "plain"), [(NoPath(), ELBO()), (OneWeight(3), IWAE(3))], ids=["no path", "one weight"]
)
def test_biased_gradients_are_caught_with_two_layers(bug, plain):
    assert not agree_on_two_layers(bug, plain)


def test_the_models_gradient_of_stl_and_dreg_is_the_plain_one():
    model, guide, x, noise = problem()
    for path, plain in ((STL(5), ELBO(5)), (DReG(5), IWAE(5))):
        found = []
        for objective in (path, plain):
            with same_noise(noise):
                found.append(
                    gradients(objective.differentiable_loss(model, guide, x), model).numpy()
                )
        assert found[0] == pytest.approx(found[1], rel=1e-10)


# β and free bits


def schedule(epochs, **options):
    objective = BetaELBO(**options)
    values = []
    for epoch in range(epochs):
        objective.at_epoch(epoch, epochs)
        values.append(objective.beta)
    return values


def test_beta_warms_up_linearly_cycles_and_stays():
    assert schedule(3, weight=4.0) == [4, 4, 4]
    assert schedule(6, weight=2.0, warmup_epochs=3) == pytest.approx([0.5, 1.0, 1.5, 2, 2, 2])
    assert schedule(8, cycles=2) == pytest.approx([0, 0.5, 1, 1] * 2)
    assert max(schedule(100, cycles=4, weight=3.0)) == 3


def test_beta_weighs_the_kl_alone():
    model, guide, x, noise = problem()

    def loss(objective):
        with same_noise(noise):
            return objective.differentiable_loss(model, guide, x).item()

    zero, half, one, two = (
        loss(BetaELBO(weight, num_particles=5)) for weight in (0.0, 0.5, 1.0, 2.0)
    )
    assert one == pytest.approx(loss(ELBO(5)), rel=1e-12)
    with same_noise(noise):
        draws = reparametrized(model, guide, (x,), 5)
    rate = draws.kl["z"].mean(0).sum().item()
    assert [half - zero, one - zero, two - zero] == pytest.approx([0.5 * rate, rate, 2 * rate])


def test_free_bits_costs_nothing_below_and_the_elbo_above():
    model, guide, x, noise = problem()

    def loss(nats):
        with same_noise(noise):
            return FreeBits(nats, num_particles=5).differentiable_loss(model, guide, x)

    with same_noise(noise):
        elbo = ELBO(5).differentiable_loss(model, guide, x).item()
        draws = reparametrized(model, guide, (x,), 5)
    rate = draws.kl["z"].mean().item()
    assert loss(0.5 * rate).item() == pytest.approx(elbo, rel=1e-12)
    above = loss(rate + 1)
    assert above.item() == pytest.approx(elbo + BATCH, rel=1e-12), (
        "it stays a lower bound: the loss is at least the ELBO's"
    )
    with same_noise(noise):
        reconstruction = reparametrized(model, guide, (x,), 5).log_likelihood.mean(0).sum()
    assert gradients(above, model, guide).numpy() == pytest.approx(
        gradients(-reconstruction, model, guide).numpy(), rel=1e-10
    )


@every_objective
def test_epochs_are_told_to_those_that_ask_and_change_what_they_declare(name, options):
    objective = make("objective", name, options)
    before = dict(vars(objective))
    objective.at_epoch(0, 10)
    changed = {
        key
        for key, value in vars(objective).items()
        if before[key] is not value and before[key] != value
    }
    assert changed <= set(objective.varying)


def test_training_tells_the_epoch(train, tmp_path, monkeypatch):
    told = []
    monkeypatch.setattr(BetaELBO, "at_epoch", lambda self, *epoch: told.append(epoch))
    options = [
        "train.epochs=2",
        "train.compile=off",
        "network.width=4",
        "data.limit=20",
        "device=cpu",
    ]
    torch.set_default_dtype(
        torch.float32
    )  # as a user's process has it; the fixture puts the old one back
    assert train("objective=beta", *options, f"run_dir={tmp_path / 'run'}")[0] == 0
    assert told == [(0, 2), (1, 2)]


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("beta", {"weight": -1.0}),
        ("beta", {"warmup_epochs": -1}),
        ("beta", {"cycles": 0}),
        ("beta", {"cycles": 2, "warmup_epochs": 1}),
        ("free_bits", {"nats": -0.1}),
        *((name, {"num_particles": 0}) for name in OBJECTIVES),
    ],
)
def test_refusals(name, options):
    with pytest.raises(RequestError, match=rf"^objective\.({'|'.join(options)})=[^\n]*$"):
        make("objective", name, options)

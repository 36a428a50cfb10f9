"""Plates inside of a datum, and masks of some of its parts: log p(x) is known of every pair."""

import math

import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro import poutine

from evidence import (
    Annealing,
    Coupling,
    UnsupportedPair,
    bracket,
    elbo,
    exact,
    impute,
    iwae,
    log_weights,
    quadrature,
    simulate,
)
from evidence.joint import Joint

STEPS, OWN, NOISE = 5, 0.5, 0.3
X = torch.randn(6, STEPS, generator=torch.Generator().manual_seed(0))
LENGTH = torch.tensor([5, 1, 3, 5, 2, 4])


def kept(length):
    return torch.arange(STEPS) < length.unsqueeze(1)


def truth(length=LENGTH, x=X):
    """A sequence's mean has variance 1, and each step one of its own beside."""
    found = []
    for row, steps in zip(x.double(), length.tolist(), strict=True):
        covariance = torch.ones(steps, steps) + (OWN**2 + NOISE**2) * torch.eye(steps)
        law = dist.MultivariateNormal(torch.zeros(steps).double(), covariance.double())
        found.append(law.log_prob(row[:steps]))
    return torch.stack(found)


def masked(law, mask, inside):
    """Masks by the distribution itself, or by the program around it."""
    return (law.mask(mask), torch.tensor(True)) if inside else (law, mask)


def pair(inside=False):
    """A mean of every sequence, a latent of every step, in a plate over steps; and p(z|x)."""

    def steps(name, law, mask, obs=None):
        law, around = masked(law, mask, inside)
        with poutine.mask(mask=around):
            return pyro.sample(name, law, obs=obs)

    def model(x, length):
        with pyro.plate("data", len(x), dim=-2):
            mean = pyro.sample("mean", dist.Normal(0.0, 1.0))
            with pyro.plate("time", STEPS, dim=-1):
                z = steps("z", dist.Normal(mean.expand(x.shape), OWN), kept(length))
                steps("x", dist.Normal(z, NOISE), kept(length), obs=x)

    def guide(x, length, width=1.0):
        on = kept(length)
        with pyro.plate("data", len(x), dim=-2):
            variance = OWN**2 + NOISE**2
            precision = 1 + length.unsqueeze(1) / variance
            loc = torch.where(on, x, 0.0).sum(1, keepdim=True) / variance / precision
            mean = pyro.sample("mean", dist.Normal(loc, width * precision**-0.5))
            with pyro.plate("time", STEPS, dim=-1):
                precision = OWN**-2 + NOISE**-2
                loc = (mean * OWN**-2 + x * NOISE**-2) / precision
                steps("z", dist.Normal(loc, width * precision**-0.5), on)

    return model, guide


@pytest.mark.parametrize("inside", [False, True], ids=["around", "in the distribution"])
def test_the_exact_posterior_makes_every_weight_the_evidence(inside):
    """Padded lengths; the number of steps is also that of the data."""
    for rows in (slice(None), slice(STEPS)):
        x, length = X[rows], LENGTH[rows]
        found = log_weights(*pair(inside), (x, length), 7)
        torch.testing.assert_close(found, truth(length, x).expand(7, -1), rtol=0, atol=1e-4)


def test_padded_steps_stay_where_they_are_and_both_sides_meet(monkeypatch):
    monkeypatch.setattr("evidence.kernel.TUNING_STEPS", 30)
    model, guide = pair()
    wide, batch = (lambda x, length: guide(x, length, 1.3)), (X.repeat(8, 1), LENGTH.repeat(8))
    idle = Joint(model, wide, batch).idle
    assert torch.equal(idle, torch.cat([torch.zeros(48, 1).bool(), ~kept(batch[1])], 1))
    chains = Coupling(leapfrogs=2, lag=8, burn_in=8)
    found = bracket(model, wide, batch, Annealing(10, 4, 3, start="guide"), chains)
    assert found.upper.details.never_met == 0
    for side in (found.lower, found.upper):
        error = side.per_datum - truth().repeat(8)
        assert abs(float(error.mean())) < 4.9 * float(error.std()) / 48**0.5 < 0.2


def one_latent(x, length=None):
    with pyro.plate("data", len(x), dim=-2):
        mean = pyro.sample("mean", dist.Normal(0.0, 1.0))
        with pyro.plate("time", STEPS, dim=-1):
            pyro.sample("x", dist.Normal(mean, math.hypot(OWN, NOISE)), obs=x)


def its_guide(x, length=None):
    with pyro.plate("data", len(x), dim=-2):
        pyro.sample("mean", dist.Normal(x.mean(1, keepdim=True), 0.4))


def test_what_runs_the_model_in_other_ways():
    """Quadrature, simulation, and the filling of a step that is missing."""
    every = torch.full((6,), STEPS)
    found = exact(one_latent, its_guide, X)
    torch.testing.assert_close(found.per_datum, truth(every), rtol=0, atol=1e-3)
    x, latents = simulate(one_latent, its_guide, X)
    assert x.shape == X.shape and latents["mean"].shape == (6, 1)
    missing = torch.arange(STEPS) == 2
    filled = impute(one_latent, its_guide, X, missing.expand(X.shape), X.mean(0), 20_000).mean
    expected = X[:, ~missing].sum(1) / (STEPS - 1 + OWN**2 + NOISE**2)
    torch.testing.assert_close(filled[:, 2], expected, rtol=0, atol=0.05)


def test_discrete_latents_of_a_plate_are_summed():
    """Each step is a mixture of two: all 2⁵ assignments are in every weight."""

    def model(x):
        with pyro.plate("data", len(x), dim=-2):
            mean = pyro.sample("mean", dist.Normal(0.0, 1.0))
            with pyro.plate("time", STEPS, dim=-1):
                y = pyro.sample("y", dist.Bernoulli(0.3))
                pyro.sample("x", dist.Normal(mean + 2 * y, 0.5), obs=x)

    def mixed(x):
        with pyro.plate("data", len(x)):
            mean = pyro.sample("mean", dist.Normal(torch.zeros(1), 1.0).to_event(1))
            shares = dist.Categorical(torch.tensor([0.7, 0.3]))
            parts = dist.Normal(mean.unsqueeze(-1) + torch.tensor([0.0, 2.0]), 0.5)
            law = dist.MixtureSameFamily(shares, parts).expand(x.shape)
            pyro.sample("x", law.to_event(1), obs=x)

    def flat(x):
        with pyro.plate("data", len(x)):
            pyro.sample("mean", dist.Normal(x.mean(1, keepdim=True) - 0.5, 0.7).to_event(1))

    expected = quadrature(mixed, flat, X).per_datum

    def wide(x):
        with pyro.plate("data", len(x), dim=-2):
            pyro.sample("mean", dist.Normal(x.mean(1, keepdim=True) - 0.5, 0.7))

    found = iwae(model, wide, X, 20_000).per_datum
    torch.testing.assert_close(found, expected, rtol=0, atol=0.05)


def transposed(x):
    """Dimensions as Pyro chooses them: the data plate is the outer one, and the last."""
    with pyro.plate("data", len(x)), pyro.plate("time", STEPS):
        mean = pyro.sample("mean", dist.Normal(0.0, 1.0))
        pyro.sample("x", dist.Normal(mean, 1.0), obs=x.T)


def its_transposed_guide(x):
    with pyro.plate("data", len(x)), pyro.plate("time", STEPS):
        pyro.sample("mean", dist.Normal(x.T, 1.0))


@pytest.mark.parametrize("rows", [STEPS, 6], ids=["as many data as steps", "more"])
def test_a_data_plate_that_is_not_the_leftmost_is_refused(rows):
    for measure in (elbo, exact):
        with pytest.raises(UnsupportedPair, match="plate"):
            measure(transposed, its_transposed_guide, X[:rows])


def test_a_plate_that_draws_some_steps_is_refused():
    def some(x):
        with pyro.plate("data", len(x), dim=-2):
            mean = pyro.sample("mean", dist.Normal(0.0, 1.0))
            with pyro.plate("time", STEPS, subsample_size=2, dim=-1) as few:
                pyro.sample("x", dist.Normal(mean, 1.0), obs=x[:, few])

    with pytest.raises(UnsupportedPair, match="'time' draws 2 of 5 parts of a datum"):
        elbo(some, its_guide, X)


def test_a_mask_that_one_program_lacks_is_refused():
    model, guide = pair()
    with pytest.raises(UnsupportedPair, match="'z' is masked"):
        elbo(model, lambda x, length: guide(x, length + 1), (X, LENGTH))


@pytest.mark.parametrize("particles", [1, 7, 40], ids="{} times 6 data".format)
def test_a_plate_that_declares_other_numbers_than_there_are_rows(particles):
    """A plate of 100 data, of which 6 are given, scales a loss; the evidence is unscaled."""

    def model(x):
        with pyro.plate("data", 100, subsample_size=len(x)):
            z = pyro.sample("z", dist.Normal(torch.zeros(STEPS), 1.0).to_event(1))
            pyro.sample("x", dist.Normal(z, 1.0).to_event(1), obs=x)

    def guide(x):
        with pyro.plate("data", 100, subsample_size=len(x)):
            pyro.sample("z", dist.Normal(x / 2, 0.5**0.5).to_event(1))

    expected = dist.Normal(0.0, 2**0.5).log_prob(X).sum(1).double()
    found = log_weights(model, guide, X, particles)
    torch.testing.assert_close(found, expected.expand(particles, -1), rtol=0, atol=1e-4)

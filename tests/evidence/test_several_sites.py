"""Several observed sites of a datum, and sequences of different lengths, against Gaussian algebra.

With the exact posterior for a guide every weight is the evidence itself.
"""

import pyro
import pyro.distributions as dist
import pytest
import torch

from evidence import (
    Annealing,
    Coupling,
    UnsupportedPair,
    ais,
    bracket,
    elbo,
    enumeration,
    exact,
    iwae,
    log_weights,
    simulate,
)

STEPS, MOVE, DRIFT, NOISE = 3, 0.8, 0.6, 0.5


def covariance(steps=STEPS):
    """That of (z_1 … z_T, x_1 … x_T), with z_t ~ N(0.8 z_{t−1}, 0.6²) and x_t ~ N(z_t, 0.5²)."""
    path = torch.tensor(
        [[MOVE ** (t - s) if t >= s else 0.0 for s in range(steps)] for t in range(steps)]
    )
    scales = torch.tensor([1.0] + [DRIFT] * (steps - 1))
    of_z = (path * scales**2) @ path.T
    both = torch.cat([torch.cat([of_z, of_z], 1), torch.cat([of_z, of_z], 1)])
    both[steps:, steps:] += NOISE**2 * torch.eye(steps)
    return both.double()


def conditional(which, given, values):
    """Mean (N,) and standard deviation of number `which` of the joint, given others."""
    every = covariance()
    solved = torch.linalg.solve(every[given][:, given], every[given][:, [which]])
    variance = every[which, which] - every[[which]][:, given] @ solved
    return (values.double() @ solved)[:, 0], variance.squeeze().sqrt()


def model(x, length):
    """A state-space model; steps from `length` on are padding."""
    z = torch.zeros(len(x))
    with pyro.plate("data", len(x)):
        for t in pyro.markov(range(STEPS)):
            with pyro.poutine.mask(mask=t < length):
                z = pyro.sample(f"z{t}", dist.Normal(MOVE * z, DRIFT if t else 1.0))
                pyro.sample(f"x{t}", dist.Normal(z, NOISE), obs=x[:, t])


def exact_guide(x, length):
    """p(z_t | z_{t−1}, x_t … x_length), the posterior, one step after the other."""
    last = None
    with pyro.plate("data", len(x)):
        for t in range(STEPS):
            loc, scale = torch.zeros(len(x)), torch.ones(len(x))
            for end in range(t + 1, STEPS + 1):
                given = [STEPS + s for s in range(t, end)] + ([t - 1] if t else [])
                values = [x[:, t:end]] + ([last.unsqueeze(1)] if t else [])
                mean, deviation = conditional(t, given, torch.cat(values, 1))
                rows = length == end
                loc = torch.where(rows, mean.float(), loc)
                scale = torch.where(rows, deviation.float(), scale)
            with pyro.poutine.mask(mask=t < length):
                last = pyro.sample(f"z{t}", dist.Normal(loc, scale))


def rough_guide(x, length):
    """Each step by its own x_t."""
    with pyro.plate("data", len(x)):
        for t in range(STEPS):
            with pyro.poutine.mask(mask=t < length):
                pyro.sample(f"z{t}", dist.Normal(0.7 * x[:, t], 0.6))


def sequences(count):
    torch.manual_seed(0)
    length = torch.arange(count) % STEPS + 1
    x = dist.MultivariateNormal(torch.zeros(STEPS), covariance()[STEPS:, STEPS:].float()).sample(
        (count,)
    )
    truth = torch.stack(
        [
            dist.MultivariateNormal(
                torch.zeros(n).double(), covariance()[STEPS : STEPS + n, STEPS : STEPS + n]
            ).log_prob(row[:n].double())
            for row, n in zip(x, length.tolist(), strict=True)
        ]
    )
    x[torch.arange(STEPS) >= length.unsqueeze(1)] = 99.0  # padding, which nothing may read
    return (x, length), truth


def test_the_exact_posterior_of_a_sequence_makes_every_weight_its_evidence():
    batch, truth = sequences(30)
    found = log_weights(model, exact_guide, batch, 7)
    torch.testing.assert_close(found, truth.expand(7, -1), rtol=0, atol=2e-4)


def test_bounds_of_sequences():
    """IWAE and annealing, per sequence."""
    batch, truth = sequences(30)
    assert elbo(model, rough_guide, batch, 50).mean < truth.mean() - 0.05
    torch.testing.assert_close(
        iwae(model, rough_guide, batch, 5000).per_datum, truth, rtol=0, atol=0.15
    )
    found = ais(model, rough_guide, batch, Annealing(40, 8, 4, start="guide"))
    error = found.per_datum - truth
    assert abs(float(error.mean())) < 4.9 * float(error.std()) / 30**0.5


def test_sequences_of_several_lengths_are_bracketed(monkeypatch):
    """Latents beyond the end of a sequence stay where they are: chains meet in the others."""
    monkeypatch.setattr("evidence.kernel.TUNING_STEPS", 30)
    batch, truth = sequences(45)
    chains = Coupling(leapfrogs=2, lag=8, burn_in=8)
    found = bracket(model, rough_guide, batch, Annealing(10, 4, 3, start="guide"), chains)
    assert found.upper.details.never_met == 0
    for side in (found.lower, found.upper):
        error = side.per_datum - truth
        assert abs(float(error.mean())) < 4.9 * float(error.std()) / 45**0.5


def test_a_masked_step_that_has_a_say_is_refused():
    """A latent whose density is left out, while the next step depends on it, has no weight."""

    def wrong(x, length):
        z = torch.zeros(len(x))
        with pyro.plate("data", len(x)):
            for t in range(STEPS):
                with pyro.poutine.mask(mask=torch.tensor(t != 1).expand(len(x))):
                    z = pyro.sample(f"z{t}", dist.Normal(MOVE * z, 1.0))
                pyro.sample(f"x{t}", dist.Normal(z, NOISE), obs=x[:, t])

    def guide(x, length):
        with pyro.plate("data", len(x)):
            for t in range(STEPS):
                with pyro.poutine.mask(mask=torch.tensor(t != 1).expand(len(x))):
                    pyro.sample(f"z{t}", dist.Normal(x[:, t], 1.0))

    batch, _ = sequences(6)
    for measure in (elbo, ais):
        with pytest.raises(UnsupportedPair, match="'z1' is masked"):
            measure(wrong, guide, batch, *([3] if measure is elbo else []))


def labelled(x, y):
    """z ~ N(0, 1), an x of two numbers and a y, each N(z, …)."""
    with pyro.plate("data", len(x)):
        z = pyro.sample("z", dist.Normal(torch.zeros(1), 1.0).to_event(1))
        pyro.sample("x", dist.Normal(z.expand(-1, 2), 1.0).to_event(1), obs=x)
        pyro.sample("y", dist.Normal(z.squeeze(-1), 0.5), obs=y)


def posterior_of_labelled(x, y):
    precision = 1 + 2 + 4
    with pyro.plate("data", len(x)):
        mean = (x.sum(1, keepdim=True) + 4 * y.unsqueeze(1)) / precision
        pyro.sample("z", dist.Normal(mean, precision**-0.5).to_event(1))


def test_an_image_and_its_label_have_a_joint_evidence():
    torch.manual_seed(0)
    x, y = torch.randn(20, 2), torch.randn(20)
    of_both = torch.ones(3, 3) + torch.diag(torch.tensor([1.0, 1.0, 0.25]))
    truth = dist.MultivariateNormal(torch.zeros(3), of_both).log_prob(
        torch.cat([x, y.unsqueeze(1)], 1)
    )
    found = log_weights(labelled, posterior_of_labelled, (x, y), 5)
    torch.testing.assert_close(found, truth.double().expand(5, -1), rtol=0, atol=1e-4)
    assert exact(labelled, posterior_of_labelled, (x, y)) is None
    with pytest.raises(UnsupportedPair, match="2 observed sites"):
        simulate(labelled, posterior_of_labelled, (x, y))


def test_discrete_latents_are_summed_over_all_that_is_observed():
    def coins(x, y):
        with pyro.plate("data", len(x)):
            coin = pyro.sample("coin", dist.Bernoulli(0.25))
            pyro.sample("x", dist.Bernoulli(0.1 + 0.8 * coin), obs=x)
            pyro.sample("y", dist.Bernoulli(0.2 + 0.5 * coin), obs=y)

    found = enumeration(coins, (torch.ones(1), torch.zeros(1)))
    assert float(found.per_datum.exp()) == pytest.approx(0.75 * 0.1 * 0.8 + 0.25 * 0.9 * 0.3)

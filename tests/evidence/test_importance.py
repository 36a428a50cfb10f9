"""Weights of draws from half the guide and half the prior: a planted mode that the guide misses."""

import math

import pyro
import pyro.distributions as dist
import pytest
import torch

from evidence import Annealing, Importance, iw_eubo, iwae
from evidence.hmc import Path
from evidence.two_sided import _fitting
from tests.evidence.statistics_checks import is_unbiased

DATA = 4000
X, NOISE = 1.5, 0.3
# p(z|x) is half N(±MEAN, DEVIATION²), each but for a millionth of it.
MEAN, DEVIATION = X / (1 + NOISE**2), NOISE / math.sqrt(1 + NOISE**2)
TRUTH = math.log(2) + float(dist.Normal(0.0, math.sqrt(1 + NOISE**2)).log_prob(torch.tensor(X)))


def two_modes(x):
    with pyro.plate("data", len(x)):
        z = pyro.sample("z", dist.Normal(torch.zeros(1), 1.0).to_event(1))
        pyro.sample("x", dist.Normal(z.abs(), NOISE).to_event(1), obs=x)


def one_mode(x):
    with pyro.plate("data", len(x)):
        loc = torch.full((len(x), 1), MEAN)
        pyro.sample("z", dist.Normal(loc, DEVIATION).to_event(1))


def both_sides(proposal, particles=50):
    """Returns both bounds minus log p(x), of as many data, all the same."""
    torch.manual_seed(0)
    x, sign = torch.full((DATA, 1), X), 2.0 * torch.randint(2, (DATA, 1)) - 1
    draw = {"z": sign * (MEAN + DEVIATION * torch.randn(DATA, 1))}
    upper = iw_eubo(two_modes, one_mode, x, draw, particles, proposal)
    lower = iwae(two_modes, one_mode, x, particles, proposal)
    assert (lower.kind, upper.kind) == ("lower", "upper")
    return lower.per_datum - TRUTH, upper.per_datum - TRUTH


@pytest.mark.parametrize("proposal", ["prior", "mixture"])
def test_weights_and_their_reverse_are_unbiased(proposal):
    """E[p̂] = p(x) from below, and E[1/p̂] = 1/p(x) from above, with one of the K from p(z|x)."""
    lower, upper = both_sides(proposal)
    assert is_unbiased(lower) and is_unbiased(-upper)
    assert -0.1 < float(lower.mean()) < 0 < float(upper.mean()) < 0.1


def test_the_guide_alone_misses_half():
    lower, upper = both_sides("guide")
    assert abs(float(lower.mean()) + math.log(2)) < 0.01 and float(upper.mean()) > 1


def weights_of_the_guide_alone(patch):
    """draws from the mixture, weighed as if from the guide"""
    right = Path._values

    def wrong(path, u, *given):
        log_prior, log_end = right(Path(path.joint, "prior"), u, *given)
        log_guide, _ = right(Path(path.joint, "guide"), u, *given)
        return (log_guide if path.start == "mixture" else log_prior), log_end

    patch.setattr(Path, "_values", wrong)


def a_share_of_its_own(patch):
    """the coin for the two halves is not fair"""

    def wrong(path, count):
        u, v = path.joint.draw_guide(count), path.joint.draw_prior(count)
        return torch.where(torch.rand(len(u), 1) < 0.6, u, v)

    patch.setattr(Path, "draw", wrong)


def without_the_posterior_draw(patch):
    """all K from the proposal"""
    right = Path.values
    patch.setattr(Path, "values", lambda path, u: right(path, path.draw(len(u) // DATA)))


@pytest.mark.parametrize(
    "bug",
    [weights_of_the_guide_alone, a_share_of_its_own, without_the_posterior_draw],
    ids=lambda bug: bug.__doc__,
)
def test_a_planted_bug_is_seen(bug, monkeypatch):
    bug(monkeypatch)
    lower, upper = both_sides("mixture")
    assert not (is_unbiased(lower) and is_unbiased(-upper))


@pytest.mark.parametrize(("latents", "plan"), [(2, Importance), (3, Annealing)])
def test_the_plan_depends_on_the_number_of_latents_and_draws_no_noise(latents, plan):
    def program(x):
        with pyro.plate("data", len(x)):
            return pyro.sample("z", dist.Normal(torch.zeros(latents), 1.0).to_event(1))

    def model(x):
        with pyro.plate("data", len(x)):
            z = pyro.sample("z", dist.Normal(torch.zeros(latents), 1.0).to_event(1))
            pyro.sample("x", dist.Normal(z, 1.0).to_event(1), obs=x)

    before = torch.get_rng_state()
    assert isinstance(_fitting(model, program, torch.zeros(4, latents)), plan)
    assert torch.equal(before, torch.get_rng_state())


def test_what_is_no_proposal_is_refused():
    with pytest.raises(ValueError, match="particles=0: must be at least 1"):
        Importance(particles=0)
    with pytest.raises(ValueError, match="proposal=flow: choose from prior, guide, mixture"):
        Importance(proposal="flow")

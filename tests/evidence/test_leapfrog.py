"""Hamiltonian steps where every one of them is known: a leapfrog step of a normal density turns.

With the force −c(u − a) and the step ε, L leapfrog steps turn (χ(u − a), p) by Lθ, where
cos θ = 1 − ε²c/2 and χ = √(c(1 − ε²c/4)). Noise is drawn again from the same seed.
"""

import math

import pyro
import pyro.distributions as dist
import pytest
import torch

from evidence import Annealing
from evidence import kernel as module
from evidence.annealing import tune
from evidence.hmc import JITTER, Path, transition
from evidence.joint import Joint
from evidence.kernel import Kernel
from tests.evidence.test_normals import law

SD, CENTRE, SPREAD = 0.6, torch.tensor([0.5, -1.0]), torch.tensor([0.7, 1.3])
X = torch.tensor([[0.3, -0.4], [1.5, 0.2], [-2.0, 0.1]]).double()
LEAPFROGS = [1, 2, 5]


def model(x):
    with pyro.plate("data", len(x)):
        z = pyro.sample("z", dist.Normal(torch.zeros(2).double(), 1.0).to_event(1))
        pyro.sample("x", dist.Normal(z, SD).to_event(1), obs=x)


def guide(x):
    with pyro.plate("data", len(x)):
        q = dist.Normal(CENTRE.double().expand(len(x), 2), SPREAD.double())
        pyro.sample("z", q.to_event(1))


def normal(u, mean, sd):
    return dist.Normal(mean, sd).log_prob(u).sum(-1)


class Ends:
    """log start and log p(x, z) at u, their gradients, and the normal density between them."""

    def __init__(self, start, u):
        x = X.repeat(len(u) // len(X), 1)
        mean, sd = (0 * u, 0 * u + 1) if start == "prior" else (CENTRE + 0 * u, SPREAD + 0 * u)
        self.log_start = normal(u, mean, sd)
        self.log_end = normal(u, 0 * u, 0 * u + 1) + normal(x, u, 0 * u + SD)
        self.gradients = (mean - u) / sd**2, -u + (x - u) / SD**2
        self.parts = (sd**-2, mean / sd**2), (1 + SD**-2 + 0 * u, x / SD**2)

    def energy(self, beta):
        return -((1 - beta) * self.log_start + beta * self.log_end)

    def curvature(self, beta):
        """c and a of the force −c(u − a)."""
        (c, ca), (d, db) = self.parts
        sharp = (1 - beta) * c + beta * d
        return sharp, ((1 - beta) * ca + beta * db) / sharp


def turned(u, momentum, step, c, a, leapfrogs):
    """Where so many leapfrog steps lead."""
    angle = leapfrogs * torch.acos(1 - step**2 * c / 2)
    chi = (c * (1 - step**2 * c / 4)).sqrt()
    away = chi * (u - a)
    return (
        a + (angle.cos() * away + angle.sin() * momentum) / chi,
        angle.cos() * momentum - angle.sin() * away,
    )


def test_a_step_between_normal_densities_is_the_one_that_is_known():
    decided = []
    for start in ("prior", "guide"):
        path = Path(Joint(model, guide, X), start)
        torch.manual_seed(1)
        u = torch.randn(30, 2).double()
        step = torch.linspace(0.05, 0.7, 30).double()
        point, ends = path.at(u), Ends(start, u)
        for beta in (0.3, 1.0):
            for leapfrogs in LEAPFROGS:
                torch.manual_seed(7)
                found, acceptance = transition(path, point, beta, step, leapfrogs)
                after = torch.rand(())
                torch.manual_seed(7)
                momentum, uniform = torch.randn_like(u), torch.rand_like(step)
                size = (step * (0.8 + 0.4 * uniform)).unsqueeze(1)
                c, a = ends.curvature(beta)
                v, p = turned(u, momentum, size, c, a, leapfrogs)
                there = Ends(start, v)
                drop = ends.energy(beta) - there.energy(beta)
                drop += 0.5 * (momentum**2 - p**2).sum(1)
                expected = drop.clamp(max=0).exp()
                torch.testing.assert_close(acceptance, expected, rtol=1e-6, atol=1e-9)
                goes = torch.rand_like(expected) < expected
                assert torch.equal(after, torch.rand(())), "it draws as much noise"
                where = torch.where(goes.unsqueeze(1), v, u)
                now = Ends(start, where)
                torch.testing.assert_close(found.u, where)
                torch.testing.assert_close(found.log_start, now.log_start)
                torch.testing.assert_close(found.log_end, now.log_end)
                torch.testing.assert_close(found.start_gradient, now.gradients[0])
                torch.testing.assert_close(found.end_gradient, now.gradients[1])
                torch.testing.assert_close(found.slope, now.log_end - now.log_start)
                decided.append(goes)
    decided = torch.stack(decided)
    assert 0.02 < float((~decided).double().mean()) < 0.9, "some are rejected, and some are not"
    assert JITTER == 0.2


@pytest.fixture
def kernel(monkeypatch):
    monkeypatch.setattr(module, "TUNING_STEPS", 6)
    torch.manual_seed(0)
    return Kernel(Joint(model, guide, X), 1)


def test_a_step_of_coupled_chains_is_the_one_that_is_known_in_units_of_the_guide(kernel):
    path, count = kernel.path, 4
    torch.manual_seed(1)
    chains = kernel._at(torch.randn(count * len(X), 2).double())
    step = torch.tensor([0.2, 0.5, 0.8]).double()
    rejected = 0.0
    for leapfrogs in LEAPFROGS:
        kernel.leapfrogs = leapfrogs
        torch.manual_seed(7)
        found, acceptance = kernel._hamiltonian(chains, count, step)
        torch.manual_seed(7)
        momentum = torch.randn_like(kernel.scale).repeat(count, 1)
        size = kernel.scale * (step * (0.8 + 0.4 * torch.rand_like(step))).unsqueeze(1)
        uniform = torch.rand_like(step).repeat(count)
        ends = Ends("prior", chains.u)
        v, p = turned(chains.u, momentum, size.repeat(count, 1), *ends.curvature(1.0), leapfrogs)
        drop = Ends("prior", v).log_end - ends.log_end + 0.5 * (momentum**2 - p**2).sum(1)
        expected = drop.clamp(max=0).exp()
        torch.testing.assert_close(acceptance, expected, rtol=1e-6, atol=1e-9)
        goes = uniform < expected
        where = torch.where(goes.unsqueeze(1), v, chains.u)
        torch.testing.assert_close(found.u, where)
        torch.testing.assert_close(found.log_joint, Ends("prior", where).log_end)
        mixture = torch.logaddexp(normal(where, 0, 1.0), normal(where, CENTRE, SPREAD))
        torch.testing.assert_close(path.values(where)[0], mixture - math.log(2))
        of_pilots = law(kernel.normals).log_prob(where.unflatten(0, (count, -1))).flatten()
        expected = torch.logaddexp(mixture - math.log(2), of_pilots) - math.log(2)
        torch.testing.assert_close(found.log_r, expected)
        rejected += float((~goes).double().mean()) / len(LEAPFROGS)
    assert 0 < rejected < 0.9


def test_a_walk_is_one_of_a_twentieth_of_the_guide_and_coupled_where_it_can_be(kernel):
    """Chains at one place go to one place; each is accepted by the ratio of its own densities."""
    torch.manual_seed(1)
    one = torch.randn(len(X), 2).double()
    near = one + 0.02 * torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]]).double()
    chains = kernel._at(torch.cat([one, near]))
    together = 0
    for seed in range(40):
        torch.manual_seed(seed)
        found = kernel._walked(chains, 2)
        torch.manual_seed(seed)
        walk, uniform = torch.randn_like(one), torch.rand_like(one[:, 0])
        there = one + 0.05 * kernel.scale * walk
        ratio = (Ends("prior", there).log_end - chains.log_joint[: len(X)]).exp()
        first, second = found.chunk(2)
        torch.testing.assert_close(first.u, torch.where((uniform < ratio).unsqueeze(1), there, one))
        assert torch.equal(first.u[2], second.u[2])
        together += int((first.u == second.u).all(1)[:2].sum())
        for part in (first, second):
            torch.testing.assert_close(part.log_joint, Ends("prior", part.u).log_end)
    assert 20 < together < 80


def test_steps_are_tuned_by_the_distance_from_the_acceptance_that_is_wanted(monkeypatch):
    """A tiny step is always accepted: it grows by exp(0.1 · 0.1) at every step."""
    monkeypatch.setattr(module, "FIRST_STEP", 1e-9)
    for count in (4, 7):
        monkeypatch.setattr(module, "TUNING_STEPS", count)
        grown = Kernel(Joint(model, guide, X), 1).step.log() - math.log(1e-9)
        half = range(count // 2 + 1, count + 1)
        expected = torch.full_like(grown, 0.01 * sum(half) / len(half))
        torch.testing.assert_close(grown, expected, rtol=1e-4, atol=1e-6)


def test_steps_of_annealing_are_tuned_alike(monkeypatch):
    """Each of them by exp(0.2 · 0.1), after 20 that are thrown away; a wild step shrinks."""
    plan = Annealing(temperatures=3, chains=4, leapfrogs=1)
    path = Path(Joint(model, guide, X), "prior")
    monkeypatch.setattr("evidence.annealing.FIRST_STEP", 1e-9)
    grown = tune(path, plan).log() - math.log(1e-9)
    expected = 0.02 * torch.tensor([20.0, 21.0, 22.0]).double().unsqueeze(1).expand(3, 3)
    torch.testing.assert_close(grown, expected, rtol=1e-4, atol=1e-6)
    monkeypatch.setattr("evidence.annealing.FIRST_STEP", 1e9)
    shrunk = tune(path, plan).log() - math.log(1e9)
    torch.testing.assert_close(shrunk, -9 * expected, rtol=1e-4, atol=1e-6)


def test_schedules_are_the_published_ones():
    """A logistic over ±4 from 0 to 1 (Wu et al. 2017), or evenly spaced."""
    for count in (1, 4, 11):
        even = torch.arange(count + 1).double() / count
        torch.testing.assert_close(Annealing(count, schedule="linear").betas(), even)
        curve = 1 / (1 + (4 - 8 * even).exp())
        ends = 1 / (1 + math.exp(4)), 1 / (1 + math.exp(-4))
        expected = (curve - ends[0]) / (ends[1] - ends[0])
        torch.testing.assert_close(Annealing(count).betas(), expected)


def test_starts_and_ends_of_every_path_are_what_they_are_called():
    """Densities, gradients and draws of prior, guide and mixture."""
    joint = Joint(model, guide, X)
    torch.manual_seed(0)
    u = torch.randn(60, 2).double()
    prior, own = normal(u, 0, 1.0), normal(u, CENTRE, SPREAD)
    half = torch.logaddexp(prior, own) - math.log(2)
    for start, expected in (("prior", prior), ("guide", own), ("mixture", half)):
        path = Path(joint, start)
        point = path.at(u)
        torch.testing.assert_close(point.log_start, expected)
        torch.testing.assert_close(point.log_end, Ends("prior", u).log_end)
        torch.testing.assert_close(point.end_gradient, Ends("prior", u).gradients[1])
        torch.testing.assert_close(path.force(u), point.end_gradient)
        share = {"prior": 0.0, "guide": 1.0, "mixture": (own - half - math.log(2)).exp()}[start]
        share = torch.as_tensor(share).double().reshape(-1, 1)
        gradient = torch.lerp(-u, (CENTRE - u) / SPREAD**2, share)
        torch.testing.assert_close(point.start_gradient, gradient)
        drawn = path.draw(4000)
        assert drawn.shape == (12000, 2)
        weight = {"prior": 0.0, "guide": 1.0, "mixture": 0.5}[start]
        mean = weight * CENTRE
        square = (1 - weight) + weight * (SPREAD**2 + CENTRE**2)
        assert (drawn.mean(0) - mean).abs().max() < 0.06
        assert (drawn.square().mean(0) - square).abs().max() < 0.15

"""Gradients of objectives with two stochastic layers, parameter by parameter."""

import math

import pyro
import pyro.distributions as dist
import pytest
import torch
from torch import nn

from inference.objectives import dreg
from inference.objectives.beta import BetaELBO
from inference.objectives.dreg import DReG
from inference.objectives.elbo import ELBO
from inference.objectives.iwae import IWAE
from inference.objectives.stl import STL

ROWS = 20_000
# Two-sided normal quantile at 8e-11: a case compares ten parameters.
Z = 6.5


@pytest.fixture(autouse=True)
def _double(double):
    """Paired gradients that are equal are so to rounding."""


class TwoLayers(nn.Module):
    """z2 ~ N(0, 1), z1 ~ N(0.8 z2, 0.7), x ~ N(z1 + 0.3 z2, 0.6)."""

    def forward(self, x):
        with pyro.plate("data", len(x)):
            z2 = pyro.sample("z2", dist.Normal(torch.zeros(len(x), 1), 1.0).to_event(1))
            z1 = pyro.sample("z1", dist.Normal(0.8 * z2, 0.7).to_event(1))
            pyro.sample("x", dist.Normal(z1 + 0.3 * z2, 0.6).to_event(1), obs=x)


class Guide(nn.Module):
    """q(z2) q(z1|z2), or the other way round; each row has parameters of its own.

    One backward pass then gives an independent draw of the gradient for every row.
    """

    START = (0.2, -0.3, 0.4, -0.1, -0.4)

    def __init__(self, order):
        super().__init__()
        self.order = order
        self.free = nn.Parameter(torch.tensor(self.START).expand(ROWS, -1).contiguous())

    def forward(self, x):
        with pyro.plate("data", len(x)):
            rows = self.free.repeat(len(x) // ROWS, 1).unsqueeze(-1)
            loc, raw, shift, slope, raw2 = rows.unbind(1)
            first, second = self.order
            one = pyro.sample(first, dist.Normal(loc, raw.exp()).to_event(1))
            pyro.sample(second, dist.Normal(shift + slope * one, raw2.exp()).to_event(1))


def gradients(objective, order):
    guide, x = Guide(order), torch.full((ROWS, 1), 0.9)
    torch.manual_seed(0)
    objective.differentiable_loss(TwoLayers(), guide, x).backward()
    return guide.free.grad


def unbiased(path, plain, order):
    """Whether the two have equal means in every parameter, by draws that share their noise."""
    difference = gradients(path, order) - gradients(plain, order)
    error = difference.std(0) / math.sqrt(ROWS)
    return bool((difference.mean(0).abs() < Z * error + 1e-12).all())


ORDERS = [("z2", "z1"), ("z1", "z2")]
every_order = pytest.mark.parametrize("order", ORDERS, ids="-".join)


@every_order
@pytest.mark.parametrize(
    ("path", "plain"),
    [(DReG(3), IWAE(3)), (STL(2), ELBO(2)), (BetaELBO(1.0, num_particles=2), ELBO(2))],
    ids=["dreg", "stl", "beta"],
)
def test_every_parameter_has_the_same_expected_gradient(path, plain, order):
    assert unbiased(path, plain, order)


@every_order
@pytest.mark.parametrize("which", [0, 1])
def test_the_second_weight_on_one_site_alone_is_caught(monkeypatch, order, which):
    drawn = dreg.reparametrized

    def one_is_not_hooked(*arguments, **options):
        draws = drawn(*arguments, **options)
        name = list(draws.latents)[which]
        draws.latents[name] = draws.latents[name].detach()
        return draws

    monkeypatch.setattr(dreg, "reparametrized", one_is_not_hooked)
    assert not unbiased(DReG(3), IWAE(3), order)

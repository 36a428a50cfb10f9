"""What a distribution refuses, in whichever step, stops training in one line with the site."""

import pyro
import pyro.distributions as dist
import pytest
import torch
from torch import nn

from data import View, open_dataset
from data.raw import RawData, RawSplit
from errors import TrainingError
from inference.loop import fit
from inference.objectives.elbo import ELBO
from inference.plan import Train


class Model(nn.Module):
    """Goes wrong from call number `calls` on, once it is trained or once it is measured."""

    def __init__(self, calls, of):
        super().__init__()
        self.calls, self.of = calls, of
        self.scale = nn.Parameter(torch.ones(()))

    def broken(self):
        self.calls -= 1
        return self.calls < 0

    def forward(self, x):
        with pyro.plate("data", len(x)):
            z = pyro.sample("z", dist.Normal(x.new_zeros(len(x), 2), 1.0).to_event(1))
            pyro.sample("x", self.of(z, self.scale, self.broken()), obs=x)


class Guide(nn.Module):
    def forward(self, x):
        with pyro.plate("data", len(x)):
            pyro.sample("z", dist.Normal(0.1 * x, 1.0).to_event(1))


def always_validated(z, scale, broken):
    scale = (-scale if broken else scale).expand_as(z)
    return dist.Independent(dist.Normal(z, scale, validate_args=True), 1)


def not_positive(z, scale, broken):
    matrix = torch.eye(2) * (-1.0 if broken else 1.0)
    return dist.MultivariateNormal(z, scale * matrix)


def out_of_support(z, scale, broken):
    family = dist.HalfNormal(scale.expand_as(z), validate_args=True)
    return (family if broken else dist.Normal(z, scale)).to_event(1)


@pytest.mark.parametrize("calls", [3, 6])
@pytest.mark.parametrize("of", [always_validated, not_positive, out_of_support])
def test_it_is_one_line(of, calls):
    values = RawSplit(torch.randn(20, 2).numpy())
    data = open_dataset(RawData(values, values, values, None), "x", View("real"))
    plan = Train(epochs=2, batch_size=5, compile="off")
    when = "epoch 1, step 3" if calls == 3 else "the last step of epoch 1"
    line = rf"^training stopped .*{when}: .*, at .*'[zx]'"
    with pytest.raises(TrainingError, match=line) as error:
        fit(Model(calls, of), Guide(), ELBO(), data, plan)
    assert "\n" not in str(error.value)


def test_a_bug_of_the_program_is_no_refusal():
    def wrong(z, scale, broken):
        raise ValueError("a bug")

    values = RawSplit(torch.randn(20, 2).numpy())
    data = open_dataset(RawData(values, values, values, None), "x", View("real"))
    with pytest.raises(ValueError, match=r"^a bug"):
        fit(Model(0, wrong), Guide(), ELBO(), data, Train(epochs=1, compile="off"))

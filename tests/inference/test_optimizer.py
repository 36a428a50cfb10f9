"""The one optimizer over all parameters: decay, clipping, schedule, state, Pyro's interface."""

import copy
import itertools

import pyro
import pytest
import torch
from pyro.infer import SVI
from torch import nn

from evidence.training.optimizer import FusedAdam
from inference.objectives.elbo import ELBO
from inference.schedule import factor


class Odd(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 2)
        self.raw_scale = nn.Parameter(torch.ones(()))
        self.frozen = nn.Parameter(torch.ones(2), requires_grad=False)


def test_every_trainable_parameter_once_and_only_matrices_decay():
    odd = Odd()
    optimizer = FusedAdam((odd, odd, odd.linear), 0.1, weight_decay=0.5)
    decayed, others = optimizer.adam.param_groups
    assert [p is odd.linear.weight for p in decayed["params"]] == [True]
    assert {id(p) for p in others["params"]} == {id(odd.linear.bias), id(odd.raw_scale)}
    assert decayed["weight_decay"] == 0.5 and others["weight_decay"] == 0


def test_clipping_bounds_the_step_of_plain_gradients():
    odd = Odd()
    optimizer = FusedAdam((odd,), 0.1, clip_norm=1e-3)
    (odd.linear(torch.ones(1, 3)).sum() * 1e6 + odd.raw_scale).backward()
    seen = []
    optimizer.adam.register_step_pre_hook(
        lambda *_: seen.extend(p.grad.clone() for p in optimizer.parameters)
    )
    optimizer(())
    assert torch.cat([g.flatten() for g in seen]).norm() <= 1e-3 * (1 + 1e-5)
    assert all(p.grad is None for p in optimizer.parameters)


@pytest.mark.parametrize("schedule", ["constant", "cosine"])
def test_schedule(schedule):
    rates = [factor(step, 100, schedule, warmup=10) for step in range(101)]
    assert rates[0] == pytest.approx(1 / 11) and rates[10] == pytest.approx(1)
    assert all(a < b for a, b in itertools.pairwise(rates[:11]))
    assert rates[100] == pytest.approx(0 if schedule == "cosine" else 1)
    assert rates[55] == pytest.approx(0.5 if schedule == "cosine" else 1)


def test_state_goes_on_exactly():
    def train(odd, optimizer, steps):
        for step in steps:
            torch.manual_seed(step)
            odd.linear(torch.randn(4, 3)).pow(2).sum().backward()
            odd.raw_scale.pow(2).backward()
            optimizer(())

    def fresh(odd):
        return FusedAdam(
            (odd,), 0.1, lambda step: factor(step, 20, "cosine", 3), weight_decay=0.1, clip_norm=1.0
        )

    whole = Odd()
    start = copy.deepcopy(whole)
    train(whole, fresh(whole), range(20))
    first, second = copy.deepcopy(start), None
    optimizer = fresh(first)
    train(first, optimizer, range(8))
    second = copy.deepcopy(first)
    resumed = fresh(second)
    resumed.set_state(copy.deepcopy(optimizer.get_state()))
    train(second, resumed, range(8, 20))
    for a, b in zip(whole.parameters(), second.parameters(), strict=True):
        assert torch.equal(a, b)


def test_svi_takes_it_and_the_global_store_stays_empty():
    from guides.amortized import Amortized
    from guides.families.mean_field import MeanField
    from models.generative import Generative
    from models.likelihoods.bernoulli import Bernoulli
    from models.priors.standard_normal import StandardNormal
    from networks.mlp import MLP

    model = Generative(StandardNormal(2), MLP((2,), (5,), width=4), Bernoulli((5,)))
    guide = Amortized(MLP((5,), (4,), width=4), MeanField(2))
    before = [p.clone() for m in (model, guide) for p in m.parameters()]
    svi = SVI(model, guide, FusedAdam((model, guide), 0.01), loss=ELBO())
    svi.step((torch.rand(6, 5) < 0.5).float())
    after = [p for m in (model, guide) for p in m.parameters()]
    assert all(not torch.equal(a, b) for a, b in zip(before, after, strict=True))
    assert not pyro.get_param_store().keys()


def test_the_ready_step_is_adams_to_the_last_bit():
    """From the second step on; a parameter without a gradient is left alone, as Adam leaves it."""

    def train(odd, optimizer, ready):
        for step in range(12):
            torch.manual_seed(step)
            odd.linear(torch.randn(4, 3)).pow(2).sum().backward()
            if step % 5:
                odd.raw_scale.pow(2).backward()
            if not ready:
                optimizer.ready = None
            optimizer(())

    pairs = []
    start = Odd()
    for ready in (True, False):
        odd = copy.deepcopy(start)
        optimizer = FusedAdam(
            (odd,), 0.1, lambda step: factor(step, 12, "cosine", 3), weight_decay=0.1
        )
        train(odd, optimizer, ready)
        pairs.append((odd, optimizer))
    (odd, optimizer), (plain, by_torch) = pairs
    assert optimizer.ready is not None
    assert all(map(torch.equal, odd.parameters(), plain.parameters()))
    assert all(map(torch.equal, optimizer.moments(), by_torch.moments()))


@pytest.mark.parametrize("turned", ["parameter", "gradient"])
def test_gradients_that_lie_otherwise_than_their_parameters(turned):
    """From a graph, or averaged over processes: the step is that of the same numbers."""
    ends = []
    for lies_otherwise in (False, True):
        torch.manual_seed(0)
        layer = nn.Linear(3, 2, bias=False)
        if turned == "parameter":
            layer.weight = nn.Parameter(layer.weight.detach().t().contiguous().t())
        optimizer = FusedAdam((layer,), 0.1)
        for _ in range(3):
            gradient = torch.randn(2, 3)
            as_parameter = torch.empty_like(layer.weight).copy_(gradient)
            otherwise = gradient if turned == "parameter" else gradient.t().contiguous().t()
            layer.weight.grad = otherwise if lies_otherwise else as_parameter
            optimizer(())
        ends.append(layer.weight.detach())
    assert torch.equal(*ends)

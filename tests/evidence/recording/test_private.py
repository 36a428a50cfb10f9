"""Private names of torch and Pyro: if a release lacks one, a slower way gives the same numbers.

Each test takes a name away and would catch a traceback, silence, or another result.
"""

import shutil
import sys
import warnings

import pyro.util
import pytest
import torch
from torch import nn
from torch.fx.experimental import proxy_tensor

from evidence.recording import Calls, recorded, run
from evidence.recording.private_pyro import without_nan_checks
from evidence.recording.private_torch import (
    Unrecordable,
    allow_steps_outside_graphs,
    constant_parameters,
    cpu_has_bfloat16,
    make_fx,
    own_tensors,
    skip_step_where,
    standalone_compile,
)
from evidence.training.optimizer import FusedAdam
from inference.fast.svi import FastSVI
from tests.choices import opened


@pytest.fixture
def no_parameters_attribute(monkeypatch):
    """A torch whose modules keep their tensors under other names."""
    find = nn.Module.__getattribute__

    def without(self, name):
        asked_by = sys._getframe(1).f_code.co_name  # torch itself needs its names
        if name in ("_parameters", "_buffers") and asked_by == "own_tensors":
            raise AttributeError(name)
        return find(self, name)

    monkeypatch.setattr(nn.Module, "__getattribute__", without)


def double(x):
    return (2 * x,)


def test_without_make_fx_functions_run_eagerly_and_say_why(monkeypatch):
    monkeypatch.delattr(proxy_tensor, "make_fx")
    with pytest.raises(Unrecordable, match="make_fx"):
        make_fx(double, {})
    with recorded(into=Calls(None)) as calls:
        assert torch.equal(run("double", double, torch.ones(2))[0], 2 * torch.ones(2))
    assert "make_fx" in calls.why_eager


@pytest.mark.skipif(shutil.which("g++") is None, reason="no C++ compiler")
def test_without_standalone_compile_torch_compile_is_used_and_says_so(monkeypatch):
    import torch._inductor

    graph = make_fx(double, {})(torch.ones(3))
    expected = standalone_compile(graph, [torch.ones(3)])(torch.ones(3))
    monkeypatch.delattr(torch._inductor, "standalone_compile")
    with pytest.warns(RuntimeWarning, match="standalone_compile"):
        found = standalone_compile(graph, [torch.ones(3)])
    assert torch.equal(found(torch.ones(3))[0], expected[0])


def test_without_the_modules_tensors_steps_run_eagerly_and_say_why(no_parameters_attribute):
    with pytest.raises(Unrecordable, match="_parameters"):
        own_tensors(nn.Linear(1, 1))
    model, guide, objective, (batch, _) = opened()
    told = []
    svi = FastSVI(model, guide, FusedAdam((model, guide), 1e-2), objective, tell=told.append)
    svi.step(*batch)
    assert not svi.is_compiled and len(told) == 1 and "_parameters" in told[0]


def test_without_the_modules_tensors_a_copy_has_constant_parameters(no_parameters_attribute):
    layer, x = nn.Linear(2, 1), torch.ones(1, 2, requires_grad=True)
    with (
        pytest.warns(RuntimeWarning, match="_parameters"),
        constant_parameters(layer) as constant,
    ):
        constant(x).sum().backward()
    assert layer.weight.grad is None and torch.equal(x.grad, layer.weight.detach())


def test_parameters_are_constants_only_inside():
    layer, x = nn.Linear(2, 1), torch.ones(1, 2, requires_grad=True)
    with constant_parameters(layer) as constant:
        constant(x).sum().backward()
    assert layer.weight.grad is None and torch.equal(x.grad, layer.weight.detach())
    assert layer.weight.requires_grad and dict(layer.named_parameters()).keys() == {
        "weight",
        "bias",
    }


@pytest.mark.parametrize("has_protocol", [True, False])
def test_without_the_scalers_protocol_a_loss_is_read_and_the_step_skipped(
    monkeypatch, has_protocol
):
    monkeypatch.setattr("evidence.training.optimizer.costs_nothing_to_read", lambda device: False)
    layer = nn.Linear(2, 1)
    optimizer = FusedAdam((layer,), 0.1)
    if not has_protocol:
        monkeypatch.delattr(optimizer.adam, "_step_supports_amp_scaling")
        with pytest.warns(RuntimeWarning, match="_step_supports_amp_scaling"):
            assert not skip_step_where(torch.zeros(()), optimizer.adam)
    for loss, is_skipped in ((1.0, False), (torch.nan, True), (1.0, False)):
        before = layer.weight.detach().clone()
        layer(torch.ones(1, 2)).sum().backward()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            optimizer.skip_unless_finite(torch.tensor(loss))
        optimizer.step()
        assert torch.equal(layer.weight, before) == is_skipped


@pytest.mark.parametrize("has_name", [True, False])
def test_a_missing_flag_of_the_optimizer_is_not_made_up(has_name):
    adam = torch.optim.Adam(nn.Linear(1, 1).parameters())
    if not has_name:
        vars(adam).pop("_warned_capturable_if_run_uncaptured")
    allow_steps_outside_graphs(adam)
    assert getattr(adam, "_warned_capturable_if_run_uncaptured", None) is (
        True if has_name else None
    )


def test_without_pyros_check_for_nan_it_stays_on_and_that_is_said(monkeypatch):
    check = pyro.util.torch_isnan
    with without_nan_checks():
        assert not pyro.util.torch_isnan(torch.tensor(torch.nan))
    assert pyro.util.torch_isnan is check
    monkeypatch.delattr(pyro.util, "torch_isnan")
    with pytest.warns(RuntimeWarning, match="torch_isnan"), without_nan_checks():
        assert not hasattr(pyro.util, "torch_isnan")


def test_a_cpu_of_which_torch_does_not_tell_has_no_bfloat16(monkeypatch):
    assert isinstance(cpu_has_bfloat16(), bool)
    monkeypatch.delattr(torch.cpu, "_is_avx512_bf16_supported")
    assert cpu_has_bfloat16() is False

"""A log-density that TF32 changes is refused, and what is measured has all digits of float32."""

from contextlib import contextmanager

import pyro
import pyro.distributions as dist
import pytest
import torch
from torch import nn

from evidence import UnsupportedPair, alone, digits, elbo

ALL_DIGITS = digits.all_digits
ON_GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")


def pair_of(logits):
    def model(x):
        with pyro.plate("data", len(x)):
            z = pyro.sample("z", dist.Normal(x.new_zeros(len(x), 4), 1.0).to_event(1))
            pyro.sample("x", dist.Bernoulli(logits=logits(z)).to_event(1), obs=x)

    def guide(x):
        with pyro.plate("data", len(x)):
            pyro.sample("z", dist.Normal(x.new_zeros(len(x), 4), 1.0).to_event(1))

    return model, guide


@pytest.mark.parametrize("lost, is_refused", [(1e-5, False), (1e-2, True)])
def test_digits_that_a_setting_costs_are_refused_by_name(monkeypatch, lost, is_refused):
    """A place that stands for a GPU's: products there are off by `lost` while it says tf32."""

    class Place:
        fp32_precision = "tf32"

    @contextmanager
    def as_on_a_gpu(device):
        with ALL_DIGITS(torch.device("cuda")) as rough:
            yield rough

    monkeypatch.setattr(digits, "PLACES", {"torch.backends.products": (place := Place())})
    monkeypatch.setattr(alone, "all_digits", as_on_a_gpu)
    matrix = torch.randn(4, 50)
    model, guide = pair_of(lambda z: z @ matrix + (lost if place.fp32_precision == "tf32" else 0))
    x = torch.ones(6, 50)
    if is_refused:
        said = r"site 'x' of the model .* TF32 .* torch.backends.products.fp32_precision = \"ieee\""
        with pytest.raises(UnsupportedPair, match=said):
            elbo(model, guide, x)
    else:
        assert elbo(model, guide, x).per_datum.isfinite().all()
    assert place.fp32_precision == "tf32"


@ON_GPU
def test_tf32_on_cuda_is_refused_where_it_costs_digits(monkeypatch):
    monkeypatch.setattr(torch.backends.cudnn.conv, "fp32_precision", "tf32")
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Unflatten(1, (4, 1, 1)), nn.ConvTranspose2d(4, 200, 16), nn.Conv2d(200, 1, 5)
    )
    # Logits of about 3, which ten bits put off by 0.03 to 0.07 nats a datum (rounded on a CPU).
    model, guide = pair_of(lambda z: 1000 * net(z).flatten(1))
    net.cuda()
    x = torch.rand(64, 144, device="cuda").round()
    with pytest.raises(UnsupportedPair, match="cudnn"):
        elbo(model, guide, x)
    torch.backends.cudnn.conv.fp32_precision = "ieee"
    on_gpu = elbo(model, guide, x, 2000).per_datum.cpu()
    net.cpu()
    off = (on_gpu - elbo(model, guide, x.cpu(), 2000).per_datum).abs()
    assert on_gpu.isfinite().all() and off.median() < 0.2 * on_gpu.abs().median()

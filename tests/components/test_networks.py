"""Contracts of every network: shapes, start, gradients, and that a datum is alone in its batch."""

from dataclasses import replace
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from errors import RequestError
from experiment.build import build_pair
from networks import MLP, LogCounts, Network, Scaled
from networks.doubling import DoublingConv2d
from tests.components.factories import GUIDES, NETWORKS, cases, config, dataset, make

IMAGES = [(8, 8), (9, 6), (1, 28, 28), (3, 32, 32), (2, 3, 8, 8)]
VECTORS = [(5,), (2, 4, 4)]
NEEDS_IMAGES = {"conv", "resnet"}
SHAPES = {name: IMAGES if name in NEEDS_IMAGES else IMAGES + VECTORS for name in NETWORKS}
# How many numbers an encoder makes of a datum, and a decoder reads.
NUMBERS = 3

every_network = pytest.mark.parametrize(
    ("name", "options", "shape"),
    [
        pytest.param(*case.values, shape, id=f"{case.id}-{'x'.join(map(str, shape))}")
        for case in cases("network")
        for shape in SHAPES[case.values[0]]
    ],
)
both_ways = pytest.mark.parametrize("encodes", [True, False], ids=["encoder", "decoder"])


def network(name, options, shape, encodes):
    ends = (shape, (NUMBERS,)) if encodes else ((NUMBERS,), shape)
    torch.manual_seed(0)
    return make("network", name, options, in_shape=ends[0], out_shape=ends[1]).double(), *ends


def inputs(shape, rows=3):
    return torch.randn(rows, *shape, dtype=torch.float64)


@every_network
@both_ways
def test_shapes_gradients_and_state(name, options, shape, encodes):
    module, in_shape, out_shape = network(name, options, shape, encodes)
    x = inputs(in_shape).requires_grad_()
    y = module(x)
    assert y.shape == (3, *out_shape) and y.isfinite().all()
    (y * torch.randn_like(y)).sum().backward()
    for key, parameter in module.named_parameters():
        assert (
            parameter.grad is not None
            and parameter.grad.isfinite().all()
            and parameter.grad.abs().sum() > 0
        ), key
    assert (x.grad.abs().flatten(1).sum(1) > 0).all()
    other = make("network", name, options, in_shape=in_shape, out_shape=out_shape).double()
    assert not torch.equal(other(x), y)
    other.load_state_dict(module.state_dict())
    assert torch.equal(other(x), y)


@every_network
@both_ways
def test_float32_is_float64_to_its_rounding(name, options, shape, encodes):
    """Errors add up to at most 100 units of rounding of the largest output."""
    module, in_shape, _ = network(name, options, shape, encodes)
    x = inputs(in_shape)
    exact = module(x)
    error = (module.float()(x.float()).double() - exact).abs().max()
    assert error < 100 * torch.finfo(torch.float32).eps * exact.abs().max()


@every_network
@both_ways
def test_the_output_starts_where_it_is_told(name, options, shape, encodes):
    """The average output of all new networks is `start`.

    The output is `start` plus a term that is linear in the last layer's weights W. Initial weights
    W and −W are equally likely, and their outputs lie at equal distances on both sides of `start`.
    """
    module, in_shape, out_shape = network(name, options, shape, encodes)
    x, start = inputs(in_shape), torch.randn(out_shape).double()
    module.start_at(start)
    one = module(x)
    with torch.no_grad():
        module.output.weight.neg_()
    other = module(x)
    assert torch.allclose((one + other) / 2, start.expand_as(one), atol=1e-12)
    assert not torch.allclose(one, other, atol=1e-3), "the input matters from the start"


def has_no_sign(make_network):
    """Tells whether the sum of the last weights is positive as often as negative.

    It is positive in 5 to 35 of 40 networks, which a fair coin fails with probability 2e-7. Nothing
    else is assumed about how weights start.
    """
    positive = 0
    for seed in range(40):
        torch.manual_seed(seed)
        positive += bool(make_network().output.weight.sum() > 0)
    return 5 <= positive <= 35


@pytest.mark.parametrize(("name", "options"), cases("network"))
@both_ways
def test_initial_weights_have_no_sign_of_their_own(name, options, encodes):
    """The test above assumes it."""
    in_shape, out_shape = ((8, 8), (NUMBERS,)) if encodes else ((NUMBERS,), (8, 8))
    assert has_no_sign(
        lambda: make("network", name, options, in_shape=in_shape, out_shape=out_shape)
    )


def test_weights_that_start_positive_are_caught():
    def positive():
        module = make("network", "mlp", {"width": 8}, in_shape=(8, 8), out_shape=(NUMBERS,))
        module.output.weight.data.add_(0.2)
        return module

    assert not has_no_sign(positive)


def is_alone(module, in_shape):
    """Tells whether, in training mode, each output depends on its own datum alone."""
    module.train()
    x = inputs(in_shape, 4)
    return torch.allclose(module(x), torch.cat([module(x[:2]), module(x[2:])]), atol=1e-12)


@every_network
@both_ways
def test_a_datum_is_alone_in_its_batch(name, options, shape, encodes):
    module, in_shape, _ = network(name, options, shape, encodes)
    assert is_alone(module, in_shape)
    x = inputs(in_shape).requires_grad_()
    module(x)[0].square().sum().backward()
    assert (x.grad[1:] == 0).all() and x.grad[0].abs().sum() > 0


def test_batch_normalisation_is_caught():
    assert not is_alone(nn.Sequential(nn.Linear(5, 8), nn.BatchNorm1d(8)).double(), (5,))


units = pytest.mark.parametrize(
    "wrapper", [partial(Scaled, unit=255), LogCounts], ids=["scaled", "log counts"]
)


@units
def test_inputs_reach_the_network_in_units_near_one(wrapper):
    class Identity(Network):
        def forward(self, inputs):
            return inputs

        def start_at(self, output):
            raise NotImplementedError

    x = torch.tensor([[0.0, 1.0, 255.0]])
    seen = wrapper(Identity((3,), (3,)))(x)
    expected = torch.log1p(x) if wrapper is LogCounts else x / 255
    assert torch.allclose(seen, expected) and seen.max() < 6


@units
def test_a_network_in_units_starts_as_the_one_within(wrapper):
    inner = MLP((3,), (2,), width=4)
    outer = wrapper(inner)
    start = torch.tensor([0.5, -1.0])
    outer.start_at(start)
    assert (outer.in_shape, outer.out_shape) == ((3,), (2,))
    assert outer.last_layer is inner.output and outer.linear is None
    assert torch.equal(inner.output.bias, start)


def test_only_a_network_without_hidden_layers_is_linear():
    deep, linear = MLP((3,), (2, 2), layers=1), MLP((3,), (2, 2), layers=0)
    x = torch.randn(5, 3)
    assert deep.linear is None
    assert torch.equal(linear.linear(x).reshape(5, 2, 2), linear(x))


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        *((name, {"width": 0}, r"network\.width=0: must be at least 1") for name in NETWORKS),
        ("mlp", {"layers": -1}, r"network\.layers=-1: must be at least 0"),
        ("mlp", {"activation": "sine"}, r"network\.activation=sine: must be one of gelu, relu"),
        ("gated_mlp", {"layers": -1}, r"network\.layers=-1: must be at least 0"),
        ("conv", {"layers": 0}, r"network\.layers=0: must be at least 1"),
        ("resnet", {"layers": 0}, r"network\.layers=0: must be at least 1"),
        ("resnet", {"blocks": 0}, r"network\.blocks=0: must be at least 1"),
        (
            "conv",
            {"layers": 4},
            r"network\.layers=4: .* at least 2\^layers = 16 pixels, but .* fewer layers",
        ),
    ],
)
def test_refusals_of_options(name, options, says):
    with pytest.raises(RequestError, match=rf"^{says}[^\n]*$"):
        make("network", name, options, in_shape=(8, 8), out_shape=(NUMBERS,))


@pytest.mark.parametrize("name", sorted(NEEDS_IMAGES))
@pytest.mark.parametrize(
    ("in_shape", "out_shape", "says"),
    [
        ((5,), (NUMBERS,), "the data are 5"),
        ((2, 3), (NUMBERS,), "the data are 2×3"),
        ((NUMBERS,), (3, 2, 40), "the data are 3×2×40"),
        ((8, 8), (2, 8, 8), "the data are 8×8"),
    ],
)
def test_what_is_no_image_is_refused(name, in_shape, out_shape, says):
    with pytest.raises(
        RequestError, match=rf"^network\.layers=2: [^\n]* images [^\n]*{says}; [^\n]*mlp$"
    ):
        make("network", name, in_shape=in_shape, out_shape=out_shape)


@pytest.mark.parametrize(("name", "options"), cases("network"))
def test_a_new_decoder_starts_at_the_data_mean(name, options):
    """With the last weights of a new decoder set to zero, E[x|z] is the data mean for any z."""
    data = dataset("unit", shape=(8, 8))
    model, _ = build_pair(config(network=(name, options), likelihood="continuous_bernoulli"), data)
    nn.init.zeros_(model.decoder.output.weight)
    mean = model.likelihood.mean(model.decoder(torch.zeros(1, 2)))[0]
    assert mean.detach().numpy() == pytest.approx(data.mean.numpy(), abs=2e-3)


@pytest.mark.parametrize(("name", "options"), cases("network"))
@pytest.mark.parametrize("guide", GUIDES)
def test_every_posterior_starts_with_means_as_far_apart(name, options, guide):
    """Every row of the encoder's last layer has norm 1, however many parameters the family has.

    There are more rows than columns here (40 latents, 8 units), so the rows of the orthogonal
    matrix, which is the start of other layers, would be shorter.
    """
    chosen = replace(config(network=(name, options), guide=guide), latent_dim=40)
    _, pair = build_pair(chosen, dataset("binary", shape=(8, 8)))
    lengths = pair.encoder.output.weight.norm(dim=1)
    assert lengths.detach().numpy() == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("size", [(7, 7), (1, 5), (2, 3)])
def test_a_doubling_is_upsampling_and_a_convolution(size):
    torch.manual_seed(0)
    layer = DoublingConv2d(3, 5).double()
    x = inputs((3, *size)).requires_grad_()
    upsampled = F.interpolate(x, scale_factor=2)
    expected = F.conv2d(upsampled, layer.weight, layer.bias, padding=1)
    found, noise = layer(x), torch.randn_like(expected)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    given = [x, *layer.parameters()]
    gradients = (torch.autograd.grad((y * noise).sum(), given) for y in (found, expected))
    torch.testing.assert_close(*gradients, rtol=1e-11, atol=1e-11)

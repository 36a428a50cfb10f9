"""Matrix products by oneDNN: the same numbers, where they pay, and nowhere else."""

import itertools

import pytest
import torch
from torch import nn

from evidence.recording import products, record
from evidence.recording.graph import compiled

pytestmark = pytest.mark.skipif(products.linear is None, reason="this torch has no oneDNN")
OURS = torch.ops.evidence.product.default


@pytest.fixture
def faster(monkeypatch):
    monkeypatch.setattr(products, "onednn_is_faster", lambda: True)


def targets(graph):
    return [node.target for node in graph.graph.nodes if node.op == "call_function"]


@pytest.mark.parametrize(("turned_a", "turned_b"), itertools.product([False, True], repeat=2))
def test_products_of_matrices_however_they_lie(turned_a, turned_b):
    """To the rounding of float32: k products of numbers near 1, each to 6e-8."""
    torch.manual_seed(0)
    a, b = torch.randn(33, 257), torch.randn(257, 65)
    a = a.t().contiguous().t() if turned_a else a
    b = b.t().contiguous().t() if turned_b else b
    bound = 257 * 6e-8 * (a.abs().double() @ b.abs().double())
    assert ((products.product(a, b).double() - a.double() @ b.double()).abs() <= bound).all()


def layer_and_gradients(weight, bias, x):
    out = torch.addmm(bias, x, weight.t()).tanh()
    return (out, *torch.autograd.grad(out.square().sum(), [weight, bias, x]))


@pytest.mark.parametrize("backend", [None, "inductor"])
def test_a_layer_and_its_gradients(faster, backend):
    """Three products, forwards and backwards, each by oneDNN; the numbers are those of torch."""
    torch.manual_seed(0)
    layer, x = nn.Linear(300, 200), torch.randn(40, 300, requires_grad=True)
    given = [layer.weight, layer.bias, x]
    with torch.enable_grad():
        graph = record(layer_and_gradients, *given)
    assert targets(graph).count(OURS) == 3
    assert not {torch.ops.aten.mm.default, torch.ops.aten.addmm.default} & set(targets(graph))
    with torch.no_grad():
        found = (graph if backend is None else compiled(graph, given))(*given)
    for one, other in zip(found, layer_and_gradients(*given), strict=True):
        torch.testing.assert_close(one, other.detach(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (torch.zeros(20, 100), torch.zeros(100, 50)),  # too small to pay
        (torch.zeros(200, 300).double(), torch.zeros(300, 200).double()),
    ],
)
def test_other_products_stay_with_torch(faster, a, b):
    assert OURS not in targets(record(torch.mm, a, b))


def test_other_processors_stay_with_torch(monkeypatch):
    monkeypatch.setattr(products, "onednn_is_faster", lambda: False)
    assert OURS not in targets(record(torch.mm, torch.zeros(200, 300), torch.zeros(300, 200)))


@pytest.mark.parametrize("arguments", [{"beta": 0.5}, {"alpha": 2.0}])
def test_weighted_sums_stay_with_torch(faster, arguments):
    given = torch.zeros(200), torch.zeros(200, 300), torch.zeros(300, 200)
    graph = record(lambda *inputs: torch.addmm(*inputs, **arguments), *given)
    assert OURS not in targets(graph)


@pytest.mark.parametrize("capability", ["AVX512", "AVX2"])
@pytest.mark.parametrize("family", [25, 26])
@pytest.mark.parametrize("there", [True, False])
def test_which_library_multiplies_follows_from_the_processor(
    capability, family, there, monkeypatch
):
    text = f"vendor_id\t: AuthenticAMD\ncpu family\t: {family}\n"
    monkeypatch.setattr(products.torch.backends.cpu, "get_cpu_capability", lambda: capability)
    monkeypatch.setattr(products.Path, "read_text", lambda *_, **__: text)
    monkeypatch.setattr(products, "linear", products.linear if there else None)
    expected = capability == "AVX512" and family == 26 and there
    assert products.onednn_is_faster.__wrapped__() is expected

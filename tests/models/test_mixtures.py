"""SharedMixture has the density and gradients of torch's mixture, in less memory."""

import pyro.distributions as dist
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from models.distributions import SharedMixture
from models.distributions import mixture as module
from tests.components.factories import cases, make

UNIT = {dtype: torch.finfo(dtype).eps / 2 for dtype in (torch.float32, torch.float64)}
SCALES = (1.0, 0.05, 1e-3)


def mixture(scale, components=7, dim=4, dtype=torch.float64):
    """Returns the parameters of a mixture with scales of `scale` and more, and draws from it."""
    torch.manual_seed(0)
    weights, loc = (
        torch.randn(components, dtype=dtype),
        3 * torch.randn(components, dim, dtype=dtype),
    )
    scales = scale * (1 + 10 * torch.rand(components, dim, dtype=dtype))
    label = torch.randint(components, (200,))
    return weights, loc, scales, loc[label] + 2 * scales[label] * torch.randn(200, dim, dtype=dtype)


def of(kind, weights, loc, scales):
    return kind(dist.Categorical(logits=weights), dist.Normal(loc, scales).to_event(1))


def bound(loc, scales, z):
    """Returns how far off log p may be.

    It is the error γ_n Σ|aᵢ||bᵢ| of a sum of n products (Higham 2002, eq. 3.5), for both ways of
    computing the worst component: logsumexp never enlarges the largest error of its arguments.
    """
    loc, scales, z = loc.double(), scales.double(), z.double().unsqueeze(-2)
    size = ((z.abs() + loc.abs()).square() / (2 * scales.square()) + scales.log().abs() + 1).sum(-1)
    n = 4 * z.shape[-1] + 10 + len(loc)
    return 2 * n * UNIT[torch.float64] / (1 - n * UNIT[torch.float64]) * size.amax(-1)


@pytest.mark.parametrize("scale", SCALES)
def test_the_density_is_torchs(scale):
    *parameters, z = mixture(scale)
    error = of(SharedMixture, *parameters).log_prob(z) - of(
        dist.MixtureSameFamily, *parameters
    ).log_prob(z)
    assert (error.abs() <= bound(*parameters[1:], z)).all()


def error_in_float32(scale):
    """Returns the error of log p at float32 numbers, and what rounding the result alone allows."""
    *parameters, z = mixture(scale, dtype=torch.float32)
    exact = of(dist.MixtureSameFamily, *(p.double() for p in parameters)).log_prob(z.double())
    weights = parameters[0].log_softmax(0)  # float32, as the parameters of any categorical
    allowed = UNIT[torch.float32] * (exact.abs() + 2 * weights.abs().max() + 2) + 2 * bound(
        *parameters[1:], z
    )
    return (of(SharedMixture, *parameters).log_prob(z) - exact).abs(), allowed


@pytest.mark.parametrize("scale", SCALES)
def test_in_float32_only_the_result_is_rounded(scale):
    error, allowed = error_in_float32(scale)
    assert (error <= allowed).all()


def test_the_expanded_square_would_cancel_in_float32(monkeypatch):
    """The planted bug is the same product of matrices in the precision of z."""

    def rounded(normals, z):
        precision = normals.scale.square().reciprocal()
        factors = torch.cat([normals.loc * precision, -0.5 * precision], -1)
        constant = -normals.log_prob(torch.zeros(())).sum(-1)
        return torch.cat([z, z.square()], -1) @ factors.mT - constant

    monkeypatch.setattr(module, "normal_log_probs", rounded)
    error, allowed = error_in_float32(0.05)
    assert error.max() > 100 * allowed.max()


def test_gradients_are_torchs():
    inputs = [t.requires_grad_() for t in mixture(0.05)]
    found, expected = (
        torch.autograd.grad(of(kind, *inputs[:3]).log_prob(inputs[3]).sum(), inputs)
        for kind in (SharedMixture, dist.MixtureSameFamily)
    )
    for ours, torchs in zip(found, expected, strict=True):
        assert torch.allclose(ours, torchs, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize(("name", "options"), cases("guide"))
def test_posteriors_of_any_family_as_components(name, options):
    family = make("guide", name, options, latent_dim=3).double()
    components = family(torch.randn(5, family.num_parameters, dtype=torch.float64))
    weights = dist.Categorical(logits=torch.randn(5, dtype=torch.float64))
    z = torch.randn(2, 6, 3, dtype=torch.float64)
    found = SharedMixture(weights, components).expand((6,))
    expected = dist.MixtureSameFamily(weights, components).log_prob(z)
    assert found.batch_shape == (6,) and found.sample((2,)).shape == z.shape
    assert torch.allclose(found.log_prob(z), expected, atol=1e-8)
    assert torch.allclose(found.log_prob(z[0, 0]), expected[0, :1].expand(6), atol=1e-8)


class Largest(TorchDispatchMode):
    """Records the bytes of the largest storage that an operation made (a view makes none)."""

    size = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        made = function(*args, **(kwargs or {}))
        if isinstance(made, torch.Tensor):
            self.size = max(self.size, made.untyped_storage().nbytes())
        return made


def test_nothing_of_size_data_times_components_times_dimensions_is_made():
    weights, loc, scales, z = mixture(1.0, components=30, dim=10)
    with Largest() as ours:
        of(SharedMixture, weights, loc, scales).expand((200,)).log_prob(z)
    with Largest() as torchs:
        of(dist.MixtureSameFamily, weights, loc, scales).expand((200,)).log_prob(z)
    assert ours.size == 8 * 200 * 30 and torchs.size == 8 * 200 * 30 * 10

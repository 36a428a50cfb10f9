"""Priors and posterior families at given z: SciPy, and the change of variables, by autograd."""

import numpy as np
import pytest
import scipy.special
import scipy.stats
import torch

from guides.families import IAF, Coupling, FullCovariance, LowRank, MeanField, PlanarFlow
from models import priors as of
from models.distributions import autoregressive

# As far out as float32 keeps a normal's log-density to a thousandth of a nat.
EXTREME = np.array([[0.0, 0.0], [1e-30, -3.0], [40.0, -40.0], [0.3, 60.0]], dtype=np.float32)


def softplus(a):
    return np.logaddexp(0, np.asarray(a, dtype=np.float64))


def perturbed(module, by=1.0):
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(by * torch.randn_like(parameter))
    return module


def state(module):
    return {key: value.detach().double().numpy() for key, value in module.named_parameters()}


def mixture(z, logits, locs, raw_scales):
    each = scipy.stats.norm.logpdf(z[:, None], locs, softplus(raw_scales)).sum(-1)
    return scipy.special.logsumexp(each + scipy.special.log_softmax(logits), axis=-1)


PRIORS = {
    "standard normal": (of.StandardNormal(2), lambda z, _: scipy.stats.norm.logpdf(z).sum(-1)),
    "learned normal": (
        perturbed(of.LearnedNormal(2)),
        lambda z, s: scipy.stats.norm.logpdf(z, s["loc"], softplus(s["raw_scale"])).sum(-1),
    ),
    "laplace": (
        of.Laplace(2),
        lambda z, _: (-np.sqrt(2) * abs(z) - np.log(2) / 2).sum(-1),
    ),
    "student t": (of.StudentT(2), lambda z, _: scipy.stats.t.logpdf(z, 5).sum(-1)),
    "student t 0.7": (of.StudentT(2, 0.7), lambda z, _: scipy.stats.t.logpdf(z, 0.7).sum(-1)),
    "mixture": (perturbed(of.Mixture(2, 3)), lambda z, s: mixture(z, **s)),
}


@pytest.mark.parametrize("name", PRIORS)
@pytest.mark.parametrize("factor", [1, 1e6])
def test_a_prior_is_what_scipy_says(name, factor):
    """In float32 at z that training meets, and in float64 anywhere."""
    module, reference = PRIORS[name]
    near = 0.2 if name == "learned normal" else 1  # its scales are below one
    z = EXTREME * np.float32(near) if factor == 1 else EXTREME.astype(np.float64) * factor
    found = module.to(torch.from_numpy(z).dtype)().log_prob(torch.from_numpy(z)).detach().numpy()
    module.float()
    expected = reference(z.astype(np.float64), state(module))
    assert (abs(found - expected) < 1e-3 + 1e-6 * (factor != 1) * abs(expected)).all()


def test_a_laplace_prior_has_unit_variance_and_far_codes_cost_what_they_cost():
    assert torch.allclose(of.Laplace(2)().variance, torch.ones(2))
    other = scipy.stats.laplace.logpdf(EXTREME).sum(-1)  # the planted bug: a scale of 1
    found = of.Laplace(2)().log_prob(torch.from_numpy(EXTREME)).numpy()
    assert (abs(found - other) > 1e-3).all()


KINDS = ("affine_coupling", "spline_coupling", "inverse_autoregressive")
FLOWS = {
    **{f"prior {kind}": (lambda kind=kind: of.Flow(3, kind, layers=3, width=8)) for kind in KINDS},
    "iaf": lambda: IAF(3, layers=2, width=8, context=4),
    "coupling": lambda: Coupling(3, layers=3, width=8, context=4),
    "planar": lambda: PlanarFlow(3, layers=3),
    "mean_field": lambda: MeanField(3),
    "full_covariance": lambda: FullCovariance(3),
}


class Pushed:
    """log q of z = f(ε; h), by the change of variables, of draws f(ε) alone."""

    def __init__(self, module, h):
        self.module, self.h = module, h

    def distribution(self, h):
        return self.module() if h is None else self.module(h)

    def forward(self, noise, h):
        q = self.distribution(h)
        if isinstance(q, torch.distributions.MultivariateNormal):
            return (q.loc + (q.scale_tril @ noise.unsqueeze(-1)).squeeze(-1)).reshape(noise.shape)
        base, transforms = q.base_dist, []
        if isinstance(q, torch.distributions.TransformedDistribution):
            base, transforms = q.base_dist.base_dist, q.transforms
        z = base.loc + base.scale * noise
        z = z if h is None else z.reshape(1, -1)
        for transform in transforms:
            z = transform(z)
        return z.reshape(noise.shape)

    def log_density(self, noise, h):
        jacobian = torch.autograd.functional.jacobian(
            lambda e: self.forward(e, h), noise, create_graph=True
        )
        normal = -0.5 * noise.square().sum() - len(noise) / 2 * np.log(2 * np.pi)
        return normal - torch.linalg.slogdet(jacobian)[1], jacobian

    def inverted(self, z):
        """Returns log p(z) and ∇ log p(z) of a flow whose direct pass is z ↦ ε."""
        transforms = self.distribution(None).transforms

        def back(value):
            for transform in reversed(transforms):
                value = transform.inv(value)
            return value

        z = z.clone().requires_grad_()
        jacobian = torch.autograd.functional.jacobian(back, z, create_graph=True)
        normal = -0.5 * back(z).square().sum() - len(z) / 2 * np.log(2 * np.pi)
        log_p = normal + torch.linalg.slogdet(jacobian)[1]
        return log_p.detach(), *torch.autograd.grad(log_p, z)

    def references(self, noise):
        """Returns log q(z), ∇_z log q, and ∇_h log q at fixed z = f(noise), by implicit functions.

        With L(ε, h) = log q(f(ε; h)): ∇_z log q = J⁻ᵀ ∇_ε L, and ∇_h log q = ∇_h L − (∂f/∂h)ᵀ ∇_z.
        """
        noise = noise.clone().requires_grad_()
        log_q, jacobian = self.log_density(noise, self.h)
        (by_noise,) = torch.autograd.grad(log_q, noise, retain_graph=True)
        by_z = torch.linalg.solve(jacobian.detach().T, by_noise)
        if self.h is None:
            return log_q.detach(), by_z, None
        (by_h,) = torch.autograd.grad(log_q, self.h, retain_graph=True)
        (moved,) = torch.autograd.grad(self.forward(noise, self.h), self.h, by_z)
        return log_q.detach(), by_z, by_h - moved


def differences(name, scale=1.0):
    """Returns how far log q and its gradients at given z are from the references."""
    module = perturbed(FLOWS[name]().double(), 0.3)
    family = not name.startswith("prior")
    h = 0.5 * torch.randn(1, module.num_parameters).double() if family else None
    if h is not None:
        h.requires_grad_()
    pushed = Pushed(module, h)
    noise = scale * torch.randn(3, dtype=torch.float64)
    with torch.no_grad():
        z = pushed.forward(noise, h).clone().reshape(1, 3) if family else pushed.forward(noise, h)
    z = z.clone().requires_grad_()
    backward = name == "prior inverse_autoregressive"
    references = pushed.inverted(z.detach()) if backward else pushed.references(noise)
    log_q = pushed.distribution(h).log_prob(z).sum()
    found = log_q, *torch.autograd.grad(log_q, [z, h] if family else [z])
    return [
        float((ours.reshape(-1) - right.reshape(-1)).detach().abs().max())
        for ours, right in zip(found, references, strict=False)
    ]


@pytest.mark.parametrize("name", FLOWS)
@pytest.mark.parametrize("scale", [1.0, 5.0])
def test_log_q_at_given_z_and_its_gradient(name, scale):
    # The slopes of a spline are the quotients of small numbers.
    assert max(differences(name, scale)) < (1e-6 if "spline" in name else 1e-8)


def test_a_stale_determinant_of_the_inverse_is_seen(monkeypatch):
    transform = autoregressive.InvertibleAutoregressive

    def stale(self, y):
        step = lambda x: (y - self._call(x)) * torch.exp(-self.last[1])  # noqa: E731
        with torch.no_grad():
            x = autoregressive.settle(step, torch.zeros_like(y))
        with_gradients, (_, log_scale) = self._with_gradients(x, y), self.last
        self.last = with_gradients, log_scale  # which is that of an x that depends on nothing
        return with_gradients

    monkeypatch.setattr(transform, "_inverse", stale)
    assert max(differences("iaf")) > 1e-3


@pytest.mark.parametrize("rank", [1, 2])
def test_low_rank_is_the_dense_normal_of_its_parameters(rank):
    family = LowRank(3, rank).double()
    h = torch.randn(1, family.num_parameters).double()
    z = 5 * torch.randn(4, 3).double()
    loc, raw, factor = np.split(h[0].numpy(), [3, 6])
    scale = softplus(raw + np.log(np.expm1(0.1)))
    factor = scale[:, None] * factor.reshape(3, rank)
    expected = scipy.stats.multivariate_normal.logpdf(
        z.numpy(), loc, factor @ factor.T + np.diag(scale**2)
    )
    assert family(h).log_prob(z).numpy() == pytest.approx(expected, abs=1e-8)

"""Contracts of priors and posterior families: shapes, normalisation, log q, gradients, state."""

import pyro
import pyro.distributions as dist
import pytest
import torch
from torch import nn
from torch.distributions import constraints

from errors import RequestError
from guides.families import Family, LowRank
from guides.families.planar import InvertiblePlanar
from models.priors import Mixture, Prior, Vamp
from models.priors.flow import LAYERS
from tests.components.factories import cases, make
from tests.components.test_combinations import grid as fine_grid

DIMS = (1, 2, 5)


def prior(name, options, dim):
    family = make("guide", "mean_field", latent_dim=dim)
    torch.manual_seed(3)
    encoder = nn.Linear(4, family.num_parameters)
    context = {
        "posterior": lambda u: family(encoder.to(u)(u)),
        "examples": lambda k: torch.rand(k, 4),
    }
    return make("prior", name, options, latent_dim=dim, **context)


def family_of(name, options, dim):
    torch.manual_seed(3)
    return make("guide", name, options, latent_dim=dim).double()


def grid(half_width, points):
    axis = torch.linspace(-half_width, half_width, points, dtype=torch.float64)
    z = torch.cartesian_prod(axis, axis)
    return z, (axis[1] - axis[0]).square().log()


every_prior = pytest.mark.parametrize(("name", "options"), cases("prior"))
every_guide = pytest.mark.parametrize(("name", "options"), cases("guide"))
every_dim = pytest.mark.parametrize("dim", DIMS)


@every_prior
@every_dim
def test_prior_shapes_gradients_state_and_precision(name, options, dim):
    module, other = prior(name, options, dim), prior(name, options, dim)
    p = module()
    assert (p.batch_shape, p.event_shape) == ((), (dim,))
    z = p.sample((20,))
    assert z.shape == (20, dim) and z.isfinite().all()
    if list(module.parameters()):
        module().log_prob(z.clone()).sum().backward()
    for key, parameter in module.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, key
    other.load_state_dict(module.state_dict())
    assert torch.equal(module().log_prob(z.clone()), other().log_prob(z.clone()))
    low, high = module().log_prob(z.clone()).double(), other.double()().log_prob(z.double())
    assert torch.allclose(low, high, rtol=1e-3, atol=1e-3)


@every_prior
def test_prior_integrates_to_one(name, options):
    z, log_area = grid(40 if name == "student_t" else 10, 501)
    log_mass = prior(name, options, 2).double()().log_prob(z).logsumexp(0) + log_area
    assert log_mass.exp().item() == pytest.approx(1, abs=2e-3)


def test_vamp_owns_its_inputs_only_and_keeps_them_in_range():
    family = make("guide", "mean_field", latent_dim=2)
    encoder = nn.Linear(4, 4)
    start = torch.tensor([[0.0, 1.0, 0.5, 0.2]])
    vamp = Vamp(
        lambda u: family(encoder(u)),
        lambda k: start.repeat(k, 1),
        constraints.unit_interval,
        components=3,
    )
    assert [name for name, _ in vamp.named_parameters()] == ["raw_inputs"]
    assert torch.allclose(vamp.pseudo_inputs[0], start[0], atol=0.011)
    with torch.no_grad():
        vamp.raw_inputs.mul_(1e3)
    assert (vamp.pseudo_inputs >= 0).all() and (vamp.pseudo_inputs <= 1).all()
    vamp().log_prob(torch.zeros(2)).backward()
    assert encoder.weight.grad is not None  # the guide's parameters learn through the prior, too


@pytest.mark.parametrize(
    ("guide", "inverted"),
    [("mean_field", False), ("full_covariance", False), ("iaf", True), ("planar", True)],
)
def test_vamp_says_that_it_wants_a_warm_up_and_what_a_flow_guide_costs(guide, inverted):
    family = make("guide", guide, latent_dim=2)
    encoder = nn.Linear(4, family.num_parameters)
    vamp = Vamp(lambda u: family(encoder(u)), lambda k: torch.rand(k, 4), components=3)
    assert vamp.needs_warm_up and ("3 components" in (vamp.note or "")) == inverted


@pytest.mark.parametrize(
    ("domain", "lowest", "highest"),
    [
        (constraints.real, -5.0, 300.0),
        (constraints.greater_than(0.0), 0.01, 300.0),
        (constraints.interval(0.0, 255.0), 2.55, 252.45),
    ],
)
def test_vamp_starts_inside_the_domain(domain, lowest, highest):
    start = torch.tensor([[-5.0, 0.5, 300.0]])
    vamp = Vamp(lambda u: dist.Normal(u, 1.0).to_event(1), lambda k: start, domain, components=1)
    expected = start.clamp(lowest, highest)
    assert torch.allclose(vamp.pseudo_inputs, expected, rtol=1e-4)


def test_flow_inverts_and_its_determinant_is_autograds():
    for _, options in [(c.values[0], c.values[1]) for c in cases("prior") if c.values[0] == "flow"]:
        for transform in prior("flow", options, 4).double()().transforms:
            check_transform(transform, torch.randn(4, dtype=torch.float64))


def check_transform(transform, x):
    y = transform(x)
    assert torch.allclose(transform.inv(y.clone()), x, atol=1e-8)
    jacobian = torch.autograd.functional.jacobian(lambda v: transform(v), x)
    assert transform.log_abs_det_jacobian(x, transform(x)).sum().item() == pytest.approx(
        torch.linalg.slogdet(jacobian)[1].item(), abs=1e-8
    )


@every_guide
@every_dim
def test_guide_shapes_gradients_and_state(name, options, dim):
    family, other = family_of(name, options, dim), family_of(name, options, dim)
    h = torch.randn(6, family.num_parameters, dtype=torch.float64, requires_grad=True)
    q = family(h)
    assert (q.batch_shape, q.event_shape) == ((6,), (dim,)) and q.has_rsample
    z = q.rsample()
    (q.log_prob(z) + z.square().sum(-1)).sum().backward()
    assert h.grad is not None and h.grad.abs().sum(0).min() > 0
    for key, parameter in family.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, key
    with torch.no_grad():
        for parameter in family.parameters():
            parameter.add_(0.01)
    other.load_state_dict(family.state_dict())
    assert torch.equal(family(h).log_prob(z.clone()), other(h).log_prob(z.clone()))


@every_guide
@every_dim
def test_log_q_of_own_draws_is_exact(name, options, dim):
    """By the change of variables, log q(z) = log N(ε) − log |det ∂z/∂ε|, ∂z/∂ε by autograd."""
    family = family_of(name, options, dim)
    h = torch.randn(1, family.num_parameters, dtype=torch.float64)
    size = 6 if name == "low_rank" else 0
    if size:  # not a bijection of ε: against the dense normal instead
        q = family(h)
        dense = dist.MultivariateNormal(q.mean, q.covariance_matrix)
        z = q.sample((5,))
        assert torch.allclose(q.log_prob(z), dense.log_prob(z), atol=1e-9)
        return
    noise = torch.randn(dim, dtype=torch.float64)
    q = family(h)

    def push(e):
        if hasattr(q, "transforms"):
            z = q.base_dist.base_dist.loc[0] + q.base_dist.base_dist.scale[0] * e
            z = z[None]
            for transform in q.transforms:
                z = transform(z)
            return z[0]
        if isinstance(q, dist.MultivariateNormal):
            return q.loc[0] + q.scale_tril[0] @ e
        return q.base_dist.loc[0] + q.base_dist.scale[0] * e

    jacobian = torch.autograd.functional.jacobian(push, noise)
    exact = dist.Normal(0, 1).log_prob(noise).sum() - torch.linalg.slogdet(jacobian)[1]
    assert family(h).log_prob(push(noise)[None]).item() == pytest.approx(exact.item(), abs=1e-8)
    # Draws and their scores as evidence asks for them, in a plate and after expand.
    q = family(h.expand(4, -1)).expand((4,))
    z = q.sample((3,))
    assert torch.allclose(q.log_prob(z), family(h.expand(4, -1)).log_prob(z.clone()), atol=1e-8)


@every_guide
def test_guide_integrates_to_one(name, options):
    family = family_of(name, options, 2)
    h = 0.5 * torch.randn(1, family.num_parameters, dtype=torch.float64)
    drawn = family(h).sample((500,))[:, 0]
    z, log_cell = fine_grid(drawn.mean(0), drawn.std(0))
    log_q = family(h.expand(len(z), -1)).log_prob(z)
    assert (log_q + log_cell).logsumexp(0).exp().item() == pytest.approx(1, abs=1e-4)


@every_guide
@every_dim
def test_guide_in_float32_is_that_in_float64(name, options, dim):
    """log q is as exact as 100 times the rounding of z and h allows.

    That holds for given z, for which flows are inverted, and for own draws, for which they are not.
    Where q is narrow, the rounding of z and h alone moves log q by tenths of a nat.
    """
    family = family_of(name, options, dim)
    h = torch.randn(50, family.num_parameters, dtype=torch.float64, requires_grad=True)
    low = family_of(name, options, dim).float()
    low.load_state_dict(family.state_dict())
    with torch.no_grad():
        given = family(h).sample()
        q = low(h.float())
        drawn = q.rsample()
        found = [
            (given, low(h.float()).log_prob(given.float())),
            (drawn.double(), q.log_prob(drawn)),
        ]
    assert drawn.dtype == torch.float32
    for z, log_q in found:
        assert log_q.dtype == torch.float32
        z = z.clone().requires_grad_()
        exact = family(h).log_prob(z)
        slopes = zip((z, h), torch.autograd.grad(exact.sum(), (z, h)), strict=True)
        moved = sum((value * slope).abs().sum(-1) for value, slope in slopes) + exact.abs() + dim
        if name == "low_rank":  # torch subtracts two numbers of this size (Woodbury's identity)
            moved = moved + ((z - family(h).loc).square() / family(h)._unbroadcasted_cov_diag).sum(
                -1
            )
        assert ((log_q - exact).abs() < 100 * torch.finfo(torch.float32).eps * moved).all()


def test_planar_inverts_with_the_right_gradient():
    parameters = [torch.randn(3, n, dtype=torch.float64) for n in (1, 4, 4)]
    layer = InvertiblePlanar(parameters)
    y = layer(torch.randn(3, 4, dtype=torch.float64)).clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda v: InvertiblePlanar(parameters).inv(v), y)
    assert torch.allclose(layer(layer.inv(y.clone())), y, atol=1e-9)
    identity = InvertiblePlanar([parameters[0], torch.zeros(3, 4).double(), parameters[2]])
    assert torch.allclose(identity(y), y)


def autoregressive(dim=6, rows=3):
    family = family_of("iaf", {"width": 40, "context": 5}, dim)
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in family.parameters():
            parameter.mul_(3)  # couplings strong enough for the inverse to take all its passes
    return (
        family.layers[0],
        torch.randn(rows, 5, dtype=torch.float64),
        torch.randn(rows, dim, dtype=torch.float64),
    )


def test_autoregressive_inverse_has_the_gradients_of_the_passes_it_does_not_record():
    module, context, y = autoregressive()
    leaves = [y.requires_grad_(), context.requires_grad_(), *module.parameters()]

    def gradients(inverse):
        layer = module.condition(context)
        x = inverse(layer, y)
        return torch.autograd.grad((x.sin() + x**2).sum(), leaves, allow_unused=True)

    def recorded(layer, y):
        x = torch.zeros_like(y)
        for _ in range(y.shape[-1]):
            x = x + (y - layer._call(x)) * torch.exp(-layer._log_scale(x))
        return x

    found, expected = gradients(lambda layer, y: layer.inv(y)), gradients(recorded)
    assert expected[1].abs().sum() > 0
    for ours, tape in zip(found, expected, strict=True):
        assert (ours is None) == (tape is None)
        assert ours is None or torch.allclose(ours, tape, rtol=1e-8, atol=1e-8)


def test_autoregressive_inverse_ends_where_nothing_moves_and_not_before():
    module, context, y = autoregressive(dim=40)
    calls, counts = [], []
    module.nn.register_forward_hook(lambda *call: calls.append(call))
    for strength in (1.0, 0.01):
        with torch.no_grad():
            for parameter in module.parameters():
                parameter.mul_(strength)
            calls.clear()
            x = module.condition(context).inv(y.clone())
            counts.append(len(calls))
            assert torch.allclose(module.condition(context)(x.clone()), y, atol=1e-9)
    assert counts[1] < counts[0] <= 40 + 1 and counts[1] < 10


@every_guide
@pytest.mark.parametrize("value", [torch.nan, torch.inf, 1e200])
def test_a_row_that_broke_leaves_the_others_as_they_are(name, options, value):
    """One datum with broken parameters raises nothing, and only its own numbers are not finite."""
    family = family_of(name, options, 3)
    h = 0.3 * torch.randn(5, family.num_parameters, dtype=torch.float64)
    z = torch.randn(5, 3, dtype=torch.float64)
    whole = family(h).log_prob(z)
    h[2] = value
    others = [0, 1, 3, 4]
    with pyro.validation_enabled(False):
        q = family(h)
        log_q = q.log_prob(z)
        drawn = q.rsample()
    torch.testing.assert_close(log_q[others], whole[others])
    assert drawn[others].isfinite().all()
    assert not log_q[2].isfinite() or value == 1e200


REFUSED = [
    ("prior", "mixture", {"components": 0}, "components=0: must be at least 1"),
    ("prior", "vamp", {"components": 0}, "components=0: must be at least 1"),
    (
        "prior",
        "student_t",
        {"degrees_of_freedom": 0.0},
        "degrees_of_freedom=0.0: must be a positive",
    ),
    ("prior", "flow", {"layers": 0}, "layers=0: must be at least 1"),
    ("prior", "flow", {"width": 1}, "width=1: must be at least latent_dim=2"),
    ("guide", "low_rank", {"rank": 0}, "rank=0: must be at least 1"),
    ("guide", "planar", {"layers": 0}, "layers=0: must be at least 1"),
    ("guide", "coupling", {"layers": 0}, "layers=0: must be at least 1"),
    ("guide", "iaf", {"width": 1}, "width=1: must be at least latent_dim=2"),
    ("guide", "iaf", {"context": 0}, "context=0: must be at least 1"),
]


@pytest.mark.parametrize(("axis", "name", "options", "says"), REFUSED)
def test_a_bad_option_is_refused_with_the_axis(axis, name, options, says):
    with pytest.raises(RequestError, match=rf"^{axis}\.{says}[^\n]*$"):
        prior(name, options, 2) if axis == "prior" else family_of(name, options, 2)


@pytest.mark.parametrize("component", [Mixture, LowRank])
def test_a_component_knows_no_option_of_the_command_line(component):
    option = "components" if component is Mixture else "rank"
    with pytest.raises(ValueError, match=rf"^{option}=0: must be at least 1"):
        component(2, 0)


@every_prior
def test_a_prior_is_a_prior(name, options):
    assert isinstance(prior(name, options, 2), Prior)


@every_guide
def test_a_family_is_a_family(name, options):
    family = family_of(name, options, 2)
    assert isinstance(family, Family) and family.note is None


def test_planar_layers_have_the_slope_that_makes_them_invertible():
    """wᵀû = m(wᵀu) with m(a) = −1 + log(1 + (e − 1) eᵃ): above −1, and 0 at 0."""
    u, w = torch.randn(2, 7, 3, dtype=torch.float64)
    along = (w * u).sum(-1)
    u_hat = InvertiblePlanar([torch.zeros(7, 1), u, w]).u_hat(u, w)
    expected = torch.log1p(torch.expm1(torch.tensor(1.0).double()) * along.exp()) - 1
    torch.testing.assert_close((w * u_hat).sum(-1), expected)
    moved = u_hat - u
    torch.testing.assert_close(moved * w.square().sum(-1, True), (moved * w).sum(-1, True) * w)


@pytest.mark.parametrize("dim", DIMS)
def test_a_flow_that_starts_as_the_identity_is_its_base(dim):
    flow = make("guide", "coupling", {"width": 8, "layers": 3}, latent_dim=dim).double()
    h = torch.randn(4, flow.num_parameters, dtype=torch.float64)
    z = torch.randn(4, dim, dtype=torch.float64)
    base = flow.base(h[:, : flow.base.num_parameters])
    q = flow.start_as_identity()(h)
    torch.testing.assert_close(q.log_prob(z), base.log_prob(z), rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    ("axis", "name", "options"),
    [(axis, *case.values) for axis in ("prior", "guide") for case in cases(axis)],
)
def test_what_the_options_determine_is_not_saved(axis, name, options):
    """Pyro's masks are; a constant in a file would be one more thing to disagree with."""
    module = prior(name, options, 3) if axis == "prior" else family_of(name, options, 3)
    saved = set(module.state_dict()) - {key for key, _ in module.named_parameters()}
    assert {key.rpartition(".")[2] for key in saved} <= {"mask", "permutation"}


@pytest.mark.parametrize(
    ("axis", "name", "options"),
    [
        *(("prior", "flow", {"kind": kind, "width": 8}) for kind in LAYERS),
        *(("guide", name, {"width": 8}) for name in ("coupling", "iaf")),
    ],
)
def test_two_dimensions_are_coupled(axis, name, options):
    """log q of two independent dimensions is a sum, whose mixed difference is zero."""
    module = prior(name, options, 2).double() if axis == "prior" else family_of(name, options, 2)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.5 * torch.randn_like(parameter))
    q = module() if axis == "prior" else module(torch.randn(1, module.num_parameters).double())
    a, b, c, d = q.log_prob(torch.tensor([[0, 0], [1, 1], [0, 1], [1, 0]]).double().unsqueeze(1))
    assert abs(float((a + b - c - d).detach())) > 1e-3


def test_planar_layers_start_along_unit_vectors():
    b, u, w = family_of("planar", {"layers": 3}, 4).start.tensor_split([1, 5], dim=-1)
    assert not b.any() and not u.any()
    torch.testing.assert_close(w.square().sum(-1), torch.ones(3).double(), atol=1e-6, rtol=0)


def test_a_factor_that_is_infinite_in_one_column_makes_its_row_nan_and_no_other():
    """Its Cholesky factor exists, and is infinite."""
    family = family_of("low_rank", {"rank": 2}, 2)
    h = torch.zeros(3, family.num_parameters, dtype=torch.float64)
    h[1, 4] = 1e200
    with pyro.validation_enabled(False):
        q = family(h)
    assert q.loc.isnan().all(-1).tolist() == [False, True, False]
    assert q.log_prob(torch.zeros(2).double())[[0, 2]].isfinite().all()

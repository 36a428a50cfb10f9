"""log p of every likelihood over its whole space, against mpmath; no module's helper is read."""

import itertools

import mpmath as mp
import pytest
import torch

from models import likelihoods as of
from tests.components.factories import LIKELIHOODS

mp.mp.dps = 60
LEVELS = 5
HALF_UNIT = mp.mpf(2) ** -25


def softplus(a):
    return mp.log1p(mp.e**a)


def bernoulli(x, h):
    return x * h - softplus(h)


def continuous_bernoulli(x, h):
    return h * x + mp.log(h / mp.expm1(h)) if h else mp.mpf(0)


def beta(x, logit, raw):
    c = softplus(raw)
    a, b = c / (1 + mp.e**-logit), c / (1 + mp.e**logit)
    x = HALF_UNIT if x == 0 else 1 - HALF_UNIT if x == 1 else x
    constant = mp.loggamma(c) - mp.loggamma(a) - mp.loggamma(b)
    return (a - 1) * mp.log(x) + (b - 1) * mp.log1p(-x) + constant


def gaussian(x, loc, scale):
    return -(((x - loc) / scale) ** 2) / 2 - mp.log(scale) - mp.log(2 * mp.pi) / 2


def laplace(x, loc, scale):
    return -abs(x - loc) / scale - mp.log(2 * scale)


def student_t(x, loc, scale, df=4.0):
    df = mp.mpf(df)
    constant = mp.loggamma((df + 1) / 2) - mp.loggamma(df / 2) - mp.log(df * mp.pi) / 2
    return constant - mp.log(scale) - (df + 1) / 2 * mp.log1p(((x - loc) / scale) ** 2 / df)


def discretized_logistic(x, location, raw):
    m, s = (LEVELS - 1) * location, (LEVELS - 1) * softplus(raw)
    below, above = (x - mp.mpf(0.5) - m) / s, (x + mp.mpf(0.5) - m) / s
    below = -mp.inf if x == 0 else below
    above = mp.inf if x == LEVELS - 1 else above
    if below + above > 0:  # σ(a) − σ(b) = σ(−b) − σ(−a), from the side where both are small
        below, above = -above, -below
    return mp.log(1 / (1 + mp.e**-above) - 1 / (1 + mp.e**-below))


def categorical(x, *h):
    top = max(h)
    return h[int(x)] - top - mp.log(sum(mp.e ** (a - top) for a in h))


def poisson(x, h):
    return x * mp.log(softplus(h)) - softplus(h) - mp.loggamma(x + 1)


def negative_binomial(x, h, raw):
    mean, r = softplus(h), softplus(raw)
    ways = mp.loggamma(r + x) - mp.loggamma(r) - mp.loggamma(x + 1)
    return ways - r * mp.log1p(mean / r) + x * (mp.log(mean) - mp.log(mean + r))


ETA = [-1e6, -1000, -110, -16.5, -1, -1e-2, -1e-5, 0, 1e-7, 1e-3, 0.0999, 0.1001, 1, 20.5, 88, 1e6]
UNIT = [0, 1e-38, 1e-6, 1 / 255, 0.3, 0.5, 0.9, 1 - 2.0**-24, 1]
REAL = [-1e15, -1e5, -3.0, 0, 1e-20, 0.7, 256.5, 1e5, 1e15]
RAW = [-1000, -110, -20, -5, 0, 1, 20.5, 1e4]
COUNTS = [0, 1, 2, 17, 1e3, 99_991, 1e6, 1e7, 2**24 - 1]
RATES = [-1000, -110, -50, -1, 0, 3, 19.9, 20.1, 1e3, 1e5, 999_999, 1e7]

# Values, and the numbers that a decoder may make for each parameter.
GRIDS = {
    "bernoulli": ([0, 1], [ETA]),
    "continuous_bernoulli": (UNIT, [ETA]),
    "beta": (UNIT, [[-1000, -110, -16, -1, 0, 3, 40, 1e3], RAW]),
    "discretized_logistic": (range(LEVELS), [[-1e3, -1, 0, 0.3, 0.62, 1, 2, 1e3], [*RAW[1:], 1e7]]),
    "categorical": (range(LEVELS), [[-1e6, -3.3, 100.1]] * LEVELS),
    "poisson": (COUNTS, [RATES]),
    "negative_binomial": (COUNTS, [RATES]),
    "location_scale": (REAL, [REAL, RAW]),
}


def log_probs(module, values, parameters):
    """Returns (x, h, log p) of every combination in one dimension, as float32 has them."""
    rows = torch.tensor(list(itertools.product(values, *parameters)), dtype=torch.float32)
    x, h = rows[:, :1], rows[:, 1:].unsqueeze(-1)
    h = h.reshape(len(rows), *module.parameter_shape).requires_grad_()
    log_p = module(h).log_prob(x)
    log_p.sum().backward()
    assert not h.grad.isnan().any()  # it may be infinite in float32
    return rows.tolist(), log_p.tolist()


def check(module, reference, values, parameters, *more):
    for row, found in zip(*log_probs(module, values, parameters), strict=True):
        expected = reference(*map(mp.mpf, row), *more)
        # A log-density of −1e20 nats has no digit of a thousandth in any float.
        assert abs(found - expected) < mp.mpf(1e-3) + abs(expected) * mp.mpf(1e-13), (row, found)


def module_of(name, **options):
    return NAMES[name](shape=(1,), **options)


NAMES = {
    "bernoulli": of.Bernoulli,
    "continuous_bernoulli": of.ContinuousBernoulli,
    "beta": of.Beta,
    "gaussian": of.Gaussian,
    "laplace": of.Laplace,
    "student_t": of.StudentT,
    "discretized_logistic": of.DiscretizedLogistic,
    "categorical": of.Categorical,
    "poisson": of.Poisson,
    "negative_binomial": of.NegativeBinomial,
}


def test_every_likelihood_has_a_reference():
    assert set(NAMES) == set(LIKELIHOODS)


@pytest.mark.parametrize("name", ["bernoulli", "continuous_bernoulli", "beta", "poisson"])
def test_log_prob_over_the_whole_space(name):
    check(module_of(name), globals()[name], *GRIDS[name])


@pytest.mark.parametrize("name", ["discretized_logistic", "categorical"])
def test_log_mass_of_every_level(name):
    check(module_of(name, levels=LEVELS), globals()[name], *GRIDS[name])


@pytest.mark.parametrize("raw", [-800.0, -20.0, 0.0, 1.75, 1e3, 1e6])
def test_negative_binomial_over_the_whole_space(raw):
    module = module_of("negative_binomial")
    torch.nn.init.constant_(module.raw_dispersion, raw)
    check(module, negative_binomial, *GRIDS["negative_binomial"], mp.mpf(raw))


LOCATED = {"gaussian": gaussian, "laplace": laplace, "student_t": student_t}


@pytest.mark.parametrize("name", LOCATED)
@pytest.mark.parametrize("quantum", [None, 1 / 255])
def test_a_predicted_scale_over_the_whole_line(name, quantum):
    floor = mp.mpf(1e-3 if quantum is None else quantum)
    module = module_of(name, quantum=quantum, scale="predicted")
    check(
        module,
        lambda x, loc, raw: LOCATED[name](x, loc, floor + softplus(raw)),
        *GRIDS["location_scale"],
    )


@pytest.mark.parametrize("name", LOCATED)
@pytest.mark.parametrize("scale", [1e-6, 0.3, 1e4])
def test_a_given_scale_over_the_whole_line(name, scale):
    check(module_of(name, scale=scale), LOCATED[name], REAL, [REAL], mp.mpf(scale))


@pytest.mark.parametrize("name", LOCATED)
def test_a_scale_per_dimension_is_one_for_each(name):
    module = NAMES[name](shape=(3,), scale="per_dimension")
    raw = torch.tensor([-3.0, 0.5, 4.0])
    module.load_state_dict({"raw_scale": raw})
    x, h = torch.tensor([[0.1, -2.0, 30.0]]), torch.tensor([[1.0, 5.0, 0.25]])
    terms = zip(x[0].tolist(), h[0].tolist(), raw.tolist(), strict=True)
    expected = sum(LOCATED[name](mp.mpf(a), mp.mpf(b), 0.001 + softplus(c)) for a, b, c in terms)
    assert module(h).log_prob(x).item() == pytest.approx(float(expected), abs=1e-9)


@pytest.mark.parametrize("degrees", [0.5, 1.0, 4.0, 300.0])
def test_degrees_of_freedom_are_those_given(degrees):
    module = module_of("student_t", scale=0.3, degrees_of_freedom=degrees)
    check(module, student_t, REAL, [REAL], mp.mpf(0.3), degrees)


def test_the_edges_of_beta_and_of_the_continuous_bernoulli_are_finite():
    edges = torch.tensor([[0.0], [1.0]])
    for name in ("beta", "continuous_bernoulli"):
        module = module_of(name)
        for value in (-1e4, 0.0, 1e4):
            h = torch.full((2, *module.parameter_shape), value)
            assert module(h).log_prob(edges).isfinite().all()


@pytest.mark.parametrize("name", [n for n in NAMES if n not in ("bernoulli", "student_t")])
def test_a_density_in_float32_would_be_seen(name):
    """Bernoulli's and Student-t's terms stay small enough; the others' would be wrong somewhere."""
    located, reference = name in LOCATED, globals()[name]
    options = {"levels": LEVELS} if name in ("categorical", "discretized_logistic") else {}
    module = module_of(name, **({"scale": 0.3} if located else options))
    more = {"negative_binomial": [mp.mpf(0)]}.get(name, [mp.mpf(0.3)] if located else [])
    for parameter in module.parameters():
        torch.nn.init.zeros_(parameter)
    values, parameters = (REAL, [REAL]) if located else GRIDS[name]
    check(module, reference, values, parameters, *more)
    density = module.forward
    if name == "categorical":  # the planted bug: the precision of h
        module.forward = lambda h: torch.distributions.Independent(
            torch.distributions.Categorical(logits=h.mT), 1
        )
    else:
        module.forward = lambda h: density(h).in_precision
    with pytest.raises(AssertionError):
        check(module, reference, values, parameters, *more)


@pytest.mark.parametrize("error", [0.0, 0.3])
def test_the_saved_optimal_scale_is_the_training_optimum_and_not_below_the_floor(error):
    module = module_of("gaussian", scale="optimal", quantum=0.01)
    x = torch.rand(30, 1)
    h = x + error * torch.tensor([1.0, -1.0]).repeat(15).unsqueeze(1)
    module.refit([(h[:7], x[:7]), (h[7:], x[7:])])
    saved = module_of("gaussian", scale="optimal", quantum=0.01)
    saved.load_state_dict(module.state_dict())
    assert saved.optimal_scale.item() == pytest.approx(max(error, 0.01), abs=1e-6)
    assert saved.train()(x).log_prob(x).isfinite().all()  # zero error in training, too

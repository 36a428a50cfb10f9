"""A datum's number is the same alone, in any order, beside any others and for any chunk size."""

import math

import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro.distributions import transforms as T
from torch import Tensor

from evidence import (
    Annealing,
    ais,
    chunks,
    elbo,
    enumeration,
    exact,
    impute,
    iw_eubo,
    iwae,
    reliability,
    reverse_ais,
)

W = torch.tensor([[1.0, -0.5]])
VARIANCE = 1 / (1 + W.square().sum())


def model(x: Tensor) -> None:
    with pyro.plate("data", len(x)):
        z = pyro.sample("z", dist.Normal(torch.zeros(1), 1.0).to_event(1))
        pyro.sample("x", dist.Normal(z @ W, 1.0).to_event(1), obs=x)


def posterior(x: Tensor) -> None:
    """Exact, so that every weight is p(x), whatever is drawn."""
    with pyro.plate("data", len(x)):
        pyro.sample("z", dist.Normal(VARIANCE * (x @ W.T), VARIANCE.sqrt()).to_event(1))


def truth(x: Tensor) -> Tensor:
    covariance = (W.T @ W + torch.eye(2)).double()
    return dist.MultivariateNormal(torch.zeros(2).double(), covariance).log_prob(x.double())


def draw(x: Tensor) -> dict[str, Tensor]:
    return {"z": VARIANCE * (x @ W.T) + VARIANCE.sqrt() * torch.randn(len(x), 1)}


def some(count: int) -> Tensor:
    return 1.5 * torch.randn(count, 2, generator=torch.Generator().manual_seed(count))


NOTHING = torch.zeros(2, dtype=torch.bool)
# An estimator, and how far its number is from log p(x), in nats.
ESTIMATORS = {
    "elbo": (lambda x: elbo(model, posterior, x, 7), 1e-5),
    "iwae": (lambda x: iwae(model, posterior, x, 7), 1e-5),
    "iw_eubo": (lambda x: iw_eubo(model, posterior, x, draw(x), 7), 1e-5),
    "exact": (lambda x: exact(model, posterior, x), 1e-3),
    "ais": (lambda x: ais(model, posterior, x, Annealing(60, 20, 4)), 0.5),
    "reverse ais": (lambda x: reverse_ais(model, posterior, x, draw(x), Annealing(60, 20, 4)), 0.5),
}
every_estimator = pytest.mark.parametrize(
    ("estimator", "error"), ESTIMATORS.values(), ids=ESTIMATORS
)


@every_estimator
@pytest.mark.parametrize("count", [1, 2, 40, 41])
@pytest.mark.parametrize("floats", [2, 400, 2**20])
def test_the_number_of_a_datum_is_its_own(estimator, error, count, floats, monkeypatch):
    """Chunks of one row, of 200 and of all; the closed form is blind to neighbours."""
    if error > 1e-2 and (floats == 2 or count == 2):
        pytest.skip("annealing takes long")
    monkeypatch.setattr(chunks, "CHUNK_FLOATS", floats)
    x = some(count)
    torch.testing.assert_close(estimator(x).per_datum, truth(x), atol=error, rtol=0)


@every_estimator
def test_a_far_datum_leaves_the_others_theirs(estimator, error):
    x = torch.cat([some(10), torch.tensor([[4.0, -2.0]])])
    found = estimator(x).per_datum
    torch.testing.assert_close(found, truth(x), atol=error, rtol=0)


def coins(x: Tensor) -> None:
    """Eight assignments of two sites; 1.5 has probability 0."""
    with pyro.plate("data", len(x)):
        k = pyro.sample("k", dist.Categorical(torch.tensor([0.1, 0.2, 0.3, 0.4])))
        c = pyro.sample("c", dist.Bernoulli(0.2 + 0.1 * k))
        probs = 0.1 + 0.2 * k + 0.1 * c
        pyro.sample("x", dist.Bernoulli(probs, validate_args=False), obs=x)


def direct(x: Tensor) -> Tensor:
    total = torch.zeros(len(x), dtype=torch.float64)
    for k in range(4):
        for c in range(2):
            p = 0.1 + 0.2 * k + 0.1 * c
            one = [0.1, 0.2, 0.3, 0.4][k] * (0.2 + 0.1 * k if c else 0.8 - 0.1 * k)
            total += one * torch.where(x == 1, p, 1 - p)
    return total.log()


@pytest.mark.parametrize("floats", [1, 3, 8, 20, 2**20])
@pytest.mark.parametrize("count", [1, 5, 40])
def test_a_sum_does_not_depend_on_how_it_is_cut(count, floats, monkeypatch):
    monkeypatch.setattr(chunks, "CHUNK_FLOATS", floats)
    x = (some(count)[:, 0] > 0).float()
    found = enumeration(coins, x)
    assert found is not None
    torch.testing.assert_close(found.per_datum, direct(x), atol=1e-6, rtol=0)


def box(x: Tensor) -> None:
    """x ~ U(z − 1, z + 1), z ~ N(0, 1): most x are impossible for most z."""
    with pyro.plate("data", len(x)):
        z = pyro.sample("z", dist.Normal(torch.zeros(1), 1.0).to_event(1))
        pyro.sample("x", dist.Uniform(z - 1, z + 1, validate_args=False).to_event(1), obs=x)


def box_guide(x: Tensor) -> None:
    with pyro.plate("data", len(x)):
        pyro.sample("z", dist.Normal(x.clamp(-2, 2), 1.0).to_event(1))


def never(x: Tensor) -> None:
    """x ~ N(z, 1), cut to 0: a negative x has probability 0 whatever z is."""
    with pyro.plate("data", len(x)):
        z = pyro.sample("z", dist.Normal(torch.zeros(1), 1.0).to_event(1))
        rate = z.exp().squeeze(-1)
        pyro.sample("x", dist.Uniform(torch.zeros(()), 1 + rate, validate_args=False), obs=x)


def never_guide(x: Tensor) -> None:
    with pyro.plate("data", len(x)):
        pyro.sample("z", dist.Normal(torch.zeros(1), 1.0).to_event(1))


@pytest.mark.parametrize(
    "estimator",
    [
        lambda x: elbo(never, never_guide, x, 20),
        lambda x: iwae(never, never_guide, x, 20),
        lambda x: iw_eubo(never, never_guide, x, {"z": torch.zeros(len(x), 1)}, 1),
        lambda x: ais(never, never_guide, x, Annealing(10, 5, 2)),
        lambda x: exact(never, never_guide, x),
    ],
    ids=["elbo", "iwae", "iw_eubo", "ais", "exact"],
)
def test_a_datum_of_probability_0_is_alone_with_it(estimator):
    x = torch.tensor([0.1, 0.5, -3.0, 0.9])
    found = estimator(x).per_datum
    assert found[2] == -math.inf and found[[0, 1, 3]].isfinite().all()
    assert estimator(x[2:3]).per_datum.tolist() == [-math.inf]


def test_a_datum_that_is_impossible_where_the_others_are_looks_further():
    """x = 25 needs z > 24, and has log p(x) = −293."""
    x = torch.cat([some(20)[:, :1].clamp(-1.5, 1.5), torch.tensor([[25.0]])])
    found, others = exact(box, box_guide, x), exact(box, box_guide, x[:20])
    torch.testing.assert_close(found.per_datum[:20], others.per_datum, atol=5e-3, rtol=0)
    y = -x[:, 0].double().abs()
    high, low = torch.special.log_ndtr(y + 1), torch.special.log_ndtr(y - 1)
    truth = high + torch.log1p(-(low - high).exp()) - math.log(2)
    torch.testing.assert_close(found.per_datum, truth, atol=2e-2, rtol=0)


def test_exact_says_that_it_found_nothing_of_a_datum():
    x = torch.tensor([0.1, 0.5, -3.0, 0.9])
    found = exact(never, never_guide, x).details
    assert found.exceeding == 1 and math.isfinite(found.largest_error)


def tailed(far: float):
    """x = 1 with probability s²/(s² + z²) at z ~ Cauchy: p(x = 1) = s/(s + 1)."""

    def model(x: Tensor, *y: Tensor) -> None:
        with pyro.plate("data", len(x)):
            z = pyro.sample("z", dist.Cauchy(torch.zeros(len(x), 1), 1.0).to_event(1))
            logits = 2 * (far / z.abs().clamp(min=1e-6)).log()
            pyro.sample("x", dist.Bernoulli(logits=logits).to_event(1), obs=x)

    def guide(x: Tensor, *y: Tensor) -> None:
        with pyro.plate("data", len(x)):
            pyro.sample("z", dist.Normal(torch.zeros(len(x), 1), 1.0).to_event(1))

    return model, guide


def test_a_datum_of_heavy_tails_is_alone_with_its_error():
    """Its mass falls off as 1/z², and 1 % of it lies beyond the largest box."""
    x = torch.tensor([[1.0], [0.0], [1.0]])
    found, alone = (exact(*tailed(1e3), data) for data in (x, x[1:2]))
    truth = torch.tensor([1e3, 1.0, 1e3]).double().div(1e3 + 1).log()
    off = (found.per_datum - truth).abs()
    assert off[[0, 2]].max() < 1e-3 and found.details.exceeding == 1
    assert 1e-3 < off[1] < 1.5 * found.details.largest_error < 0.05
    assert alone.details.exceeding == 1
    assert abs(alone.per_datum - truth[1]) < 1.5 * alone.details.largest_error < 0.05


def test_a_datum_without_an_integral_is_named():
    """Its mass begins at |z| = 1e9, far beyond the largest box."""
    x = torch.tensor([[1.0], [1.0], [0.0], [1.0]])
    with pytest.raises(ArithmeticError, match="of datum 2 does not fall off"):
        exact(*tailed(1e9), x)
    with pytest.raises(ArithmeticError, match="of datum 2 does not fall off"):
        exact(*tailed(1e9), (x, torch.tensor([5, 4, 4, 5])))


def test_the_weights_and_fillings_of_others_survive_a_datum_of_probability_0():
    x = torch.tensor([[0.1], [-3.0], [0.9]])

    def wide(x: Tensor) -> None:
        with pyro.plate("data", len(x)):
            z = pyro.sample("z", dist.Normal(torch.zeros(1), 1.0).to_event(1))
            top = (1 + z.exp()).expand(x.shape)
            likelihood = dist.Uniform(torch.zeros_like(top), top, validate_args=False)
            pyro.sample("x", likelihood.to_event(1), obs=x)

    def guide(x: Tensor) -> None:
        with pyro.plate("data", len(x)):
            pyro.sample("z", dist.Normal(torch.zeros(len(x), 1), 1.0).to_event(1))

    size = reliability(wide, guide, x, 50).effective_size
    assert size[1] == 0 and (size[[0, 2]] > 1).all()
    pairs = torch.cat([x, x], 1)
    found = impute(wide, guide, pairs, torch.tensor([False, True]), torch.ones(2), 100)
    assert found.log_evidence[1] == -math.inf and found.effective_size[1] == 0
    assert found.mean[[0, 2]].isfinite().all() and found.draw.isfinite().all()


class Flow:
    """q(z|x) through a planar flow, which cannot be inverted and lives from its cache."""

    def __init__(self):
        torch.manual_seed(0)
        self.planar = T.Planar(2)

    def __call__(self, x: Tensor) -> None:
        with pyro.plate("data", len(x)):
            base = dist.Normal(torch.zeros(len(x), 2), 1.0).to_event(1)
            pyro.sample("z", dist.TransformedDistribution(base, [self.planar]))


def plain(x: Tensor) -> None:
    with pyro.plate("data", len(x)):
        z = pyro.sample("z", dist.Normal(torch.zeros(2), 1.0).to_event(1))
        pyro.sample("x", dist.Normal(z, 1.0).to_event(1), obs=x)


@pytest.mark.parametrize("particles", [1, 2, 5, 6])
def test_a_flow_that_cannot_be_inverted_takes_any_number_of_particles(particles, monkeypatch):
    """Five at a time: of 6 particles one is left over."""
    monkeypatch.setattr(chunks, "CHUNK_FLOATS", 5 * 2 * 3)
    assert elbo(plain, Flow(), some(3), particles).per_datum.isfinite().all()
    assert iwae(plain, Flow(), some(3), particles).per_datum.isfinite().all()


def test_what_needs_the_inverse_of_a_flow_says_so():
    with pytest.raises(ValueError, match=r"'z'.*inverse"):
        iw_eubo(plain, Flow(), some(3), {"z": some(3)}, 1)
    with pytest.raises(ValueError, match=r"'z'.*inverse"):
        ais(plain, Flow(), some(3), Annealing(2, 2, 1, "guide"))

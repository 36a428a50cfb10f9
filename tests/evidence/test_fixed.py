"""Values, supports and data that depend on a latent are refused by the site, or counted right."""

import functools
import math

import pyro
import pyro.distributions as dist
import pytest
import torch
from torch import Tensor

from evidence import (
    Annealing,
    UnsupportedPair,
    ais,
    bracket,
    elbo,
    enumeration,
    eubo,
    exact,
    impute,
    iw_eubo,
    iwae,
    posterior_draws,
    quadrature,
    reverse_ais,
    simulate,
    simulation_based_calibration,
)
from tests.evidence.statistics_checks import is_below

FEW = Annealing(2, 2, 1)


def wide(x: Tensor) -> None:
    with pyro.plate("data", len(x)):
        pyro.sample("z", dist.Normal(torch.zeros(len(x)), 1.0))


def nothing(x: Tensor) -> None:
    """The guide of a model whose latents are summed out."""


def tosses(continuous: bool, x: Tensor) -> None:
    """y heads of k + 1 tosses, k a digit that is hardly ever more than 0."""
    with pyro.plate("data", len(x)):
        z = pyro.sample("z", dist.Normal(torch.zeros(len(x)), 1.0)) if continuous else 0.0
        k = pyro.sample("k", dist.Categorical(torch.tensor([0.98, 0.01, 0.01])))
        y = pyro.sample("y", dist.Binomial(k + 1, 0.5 * torch.ones(len(x))))
        pyro.sample("x", dist.Normal(y.float() + z, 0.3), obs=x)


def padded(x: Tensor) -> None:
    """The same heads, as digits of probability 0 where there are fewer tosses."""
    heads = dist.Binomial(torch.arange(1.0, 4)[:, None], torch.tensor(0.5), validate_args=False)
    with pyro.plate("data", len(x)):
        k = pyro.sample("k", dist.Categorical(torch.tensor([0.98, 0.01, 0.01])))
        y = pyro.sample("y", dist.Categorical(heads.log_prob(torch.arange(4.0)).exp()[k]))
        pyro.sample("x", dist.Normal(y.float(), 0.3), obs=x)


@pytest.mark.parametrize("rows", [1, 30])
def test_values_that_depend_on_another_latent_are_refused_whatever_is_drawn(rows):
    x, z = torch.full((rows,), 3.0), {"z": torch.zeros(rows)}
    alone, beside = functools.partial(tosses, False), functools.partial(tosses, True)
    for seed in range(4):
        pyro.set_rng_seed(seed)
        for measure in (
            lambda: enumeration(alone, x),
            lambda: exact(alone, nothing, x),
            lambda: iwae(beside, wide, x, 5),
            lambda: eubo(beside, wide, x, z),
            lambda: ais(beside, wide, x, FEW),
        ):
            with pytest.raises(UnsupportedPair, match=r"'y' has (values that depend|no few)"):
                measure()


def test_a_number_of_tosses_that_no_latent_changes_is_summed():
    def model(x: Tensor) -> None:
        with pyro.plate("data", len(x)):
            coin = pyro.sample("coin", dist.Bernoulli(torch.full((len(x),), 0.25)))
            y = pyro.sample("y", dist.Binomial(2, 0.2 + 0.5 * coin))
            pyro.sample("x", dist.Poisson(1.0 + y), obs=x)

    total = sum(
        share * float((dist.Binomial(2, p).log_prob(y) + dist.Poisson(1.0 + y).log_prob(x)).exp())
        for share, p in ((0.75, torch.tensor(0.2)), (0.25, torch.tensor(0.7)))
        for y in torch.arange(3.0)
        for x in [torch.tensor(2.0)]
    )
    found = enumeration(model, torch.full((3,), 2.0))
    assert found is not None
    assert found.per_datum.tolist() == pytest.approx([math.log(total)] * 3, abs=1e-5)


def test_the_way_out_is_the_sum_over_all_values():
    x = torch.tensor([3.0, 0.1])
    p = [[0.5, 0.5], [0.25, 0.5, 0.25], [1 / 8, 3 / 8, 3 / 8, 1 / 8]]
    truth = [
        math.log(
            sum(
                share * of_y * float(dist.Normal(float(y), 0.3).log_prob(datum).exp())
                for share, heads in zip((0.98, 0.01, 0.01), p, strict=True)
                for y, of_y in enumerate(heads)
            )
        )
        for datum in x
    ]
    assert truth[0] == pytest.approx(-6.38, abs=0.01)
    found = enumeration(padded, x)
    assert found is not None and found.per_datum.tolist() == pytest.approx(truth, abs=1e-4)


def subtracted(x: Tensor) -> None:
    with pyro.plate("data", len(x)):
        z = pyro.sample("z", dist.Normal(torch.zeros(len(x)), 1.0))
        pyro.sample("x", dist.Normal(torch.zeros(len(x)), 1.0), obs=x - z)


def scaled(x: Tensor) -> None:
    with pyro.plate("data", len(x)):
        z = pyro.sample("z", dist.Normal(torch.zeros(len(x)), 1.0))
        pyro.sample("x", dist.Normal(torch.zeros(len(x)), 1.0), obs=x * z.exp())


@pytest.mark.parametrize("model", [subtracted, scaled])
def test_what_is_observed_may_not_depend_on_a_latent_where_it_is_taken_once(model):
    x = torch.tensor([0.7, -2.0])
    some, fill = torch.tensor([True, False]), torch.zeros(())
    for measure in (
        lambda: exact(model, wide, x),
        lambda: quadrature(model, wide, x),
        lambda: simulate(model, wide, x),
        lambda: simulation_based_calibration(model, wide, x, 5),
        lambda: impute(model, wide, x, some, fill, 50),
    ):
        with pytest.raises(UnsupportedPair, match=r"'x' (observes|does not observe)"):
            measure()


def test_where_it_is_computed_at_every_draw_it_is_counted_right():
    pyro.set_rng_seed(0)
    x = torch.tensor([0.7, -2.0])
    truth = dist.Normal(0.0, 2**0.5).log_prob(x).double()  # x − z ~ N(0, 1), z ~ N(0, 1)
    assert float(truth[0]) == pytest.approx(-1.388, abs=0.001)
    found = iwae(subtracted, wide, x, 20_000).per_datum
    torch.testing.assert_close(found, truth, rtol=0, atol=0.03)
    many, known = x.repeat(500), truth.repeat(500)
    posterior = {"z": dist.Normal(many / 2, 0.5**0.5).sample()}
    assert is_below(elbo(subtracted, wide, many, 10).per_datum, known)
    for upper in (eubo, functools.partial(iw_eubo, num_particles=20, proposal="mixture")):
        assert is_below(known, upper(subtracted, wide, many, posterior).per_datum)


def triangle(x: Tensor) -> None:
    """a ~ U(1, 3), b ~ U(0, a)."""
    with pyro.plate("data", len(x)):
        a = pyro.sample("a", dist.Uniform(torch.ones(len(x)), 3.0))
        b = pyro.sample("b", dist.Uniform(torch.zeros(len(x)), a))
        pyro.sample("x", dist.Normal(b, 1.0), obs=x)


def stepped(x: Tensor) -> None:
    """b ~ U(0, 1 + c), c a coin that seldom shows heads."""
    with pyro.plate("data", len(x)):
        a = pyro.sample("a", dist.Uniform(torch.ones(len(x)), 3.0))
        c = pyro.sample("c", dist.Bernoulli(torch.full((len(x),), 0.01)))
        b = pyro.sample("b", dist.Uniform(torch.zeros(len(x)), 1 + c))
        pyro.sample("x", dist.Normal(a + b, 1.0), obs=x)


def triangle_guide(x: Tensor) -> None:
    with pyro.plate("data", len(x)):
        a = pyro.sample("a", dist.Uniform(torch.ones(len(x)), 3.0))
        pyro.sample("b", dist.Uniform(torch.zeros(len(x)), a))


def stepped_guide(x: Tensor) -> None:
    with pyro.plate("data", len(x)):
        pyro.sample("a", dist.Uniform(torch.ones(len(x)), 3.0))
        pyro.sample("b", dist.Uniform(torch.zeros(len(x)), 1.0))


@pytest.mark.parametrize("pair", [(triangle, triangle_guide), (stepped, stepped_guide)])
def test_a_support_that_depends_on_a_latent_is_refused_where_it_is_mapped_once(pair):
    x = torch.tensor([0.7, 2.0])
    z = {"a": torch.full((2,), 2.0), "b": torch.tensor([0.7, 0.2])}
    for measure in (
        lambda: ais(*pair, x, FEW),
        lambda: reverse_ais(*pair, x, z, FEW),
        lambda: iw_eubo(*pair, x, z, 5),
        lambda: iwae(*pair, x, 5, "mixture"),
        lambda: posterior_draws(*pair, x),
        lambda: bracket(*pair, x),
        lambda: simulate(*pair, x),
        lambda: exact(*pair, x),
    ):
        pyro.set_rng_seed(0)
        with pytest.raises(UnsupportedPair, match="the support of latent site 'b' depends on"):
            measure()


def test_weights_of_the_guide_need_no_map():
    pyro.set_rng_seed(0)
    x = torch.tensor([0.7, 2.0])
    a = torch.linspace(1, 3, 20_001, dtype=torch.float64)[:, None]
    normal = dist.Normal(torch.zeros((), dtype=torch.float64), 1.0)
    truth = ((normal.cdf(x) - normal.cdf(x - a)) / a).mean(0).log()
    found = iwae(triangle, triangle_guide, x, 20_000).per_datum
    torch.testing.assert_close(found, truth, rtol=0, atol=0.03)
    assert bool((elbo(triangle, triangle_guide, x, 100).per_datum < truth).all())


def test_a_support_that_depends_on_the_data_alone_is_mapped():
    def model(x: Tensor) -> None:
        with pyro.plate("data", len(x)):
            b = pyro.sample("b", dist.Uniform(torch.zeros(len(x)), 1 + x.abs()))
            pyro.sample("x", dist.Normal(b, 1.0), obs=x)

    def guide(x: Tensor) -> None:
        with pyro.plate("data", len(x)):
            pyro.sample("b", dist.Uniform(torch.zeros(len(x)), 1 + x.abs()))

    found = ais(model, guide, torch.tensor([0.7, 2.0]), FEW)
    assert bool(found.per_datum.isfinite().all())

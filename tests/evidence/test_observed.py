"""The datum is what the model observes, whichever argument that is, and of whatever type it is."""

import math

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch
from torch import Tensor, nn

from evidence import (
    Annealing,
    Batch,
    UnsupportedPair,
    ais,
    bidirectional,
    elbo,
    eubo,
    exact,
    impute,
    iwae,
    latent_usage,
    simulate,
    simulation_based_calibration,
)
from evidence.example import guide, model, x
from evidence.joint import Joint
from evidence.structure import _row_outside
from evidence.unsupported import _not_finite
from tests.evidence.statistics_checks import is_below


def shifted(context: Tensor, x: Tensor) -> None:
    """z ~ N(context, 1), x ~ N(z, 1)."""
    with pyro.plate("data", len(x)):
        z = pyro.sample("z", dist.Normal(context, 1.0).to_event(1))
        pyro.sample("x", dist.Normal(z, 1.0).to_event(1), obs=x)


def shifted_guide(context: Tensor, x: Tensor) -> None:
    with pyro.plate("data", len(x)):
        pyro.sample("z", dist.Normal((x + context) / 2, 1.0).to_event(1))


def log_p(context: Tensor, x: Tensor) -> Tensor:
    return dist.Normal(context.double(), 2**0.5).log_prob(x.double())[:, 0]


@pytest.mark.parametrize("start", [0.0, 5.0])
def test_simulation_leaves_the_context_alone(start):
    torch.manual_seed(0)
    context = torch.arange(3.0).repeat(100)[:, None]
    (same, simulated), z = simulate(shifted, shifted_guide, (context, start + 0 * context))
    assert torch.equal(same, context)
    assert abs(float((simulated - context).mean())) < 0.5
    upper = eubo(shifted, shifted_guide, (context, simulated), z).per_datum
    truth = log_p(context, simulated)
    assert is_below(truth, upper) and float((upper - truth).mean()) < 1
    known = exact(shifted, shifted_guide, (context, simulated))
    torch.testing.assert_close(known.per_datum, truth, atol=1e-3, rtol=0)
    gap = bidirectional(shifted, shifted_guide, (context, simulated), Annealing(20, 8, 3)).gap
    assert 0 < float(gap.mean()) < 1
    ranks = simulation_based_calibration(shifted, shifted_guide, (context, simulated), 9).ranks
    assert 3 < float(ranks.double().mean()) < 6


def test_what_is_observed_may_be_reshaped_and_retyped_but_not_changed():
    def images(x: Tensor) -> None:
        with pyro.plate("data", len(x)):
            z = pyro.sample("z", dist.Normal(torch.zeros(1), 1.0).to_event(1))
            probs = z.sigmoid().expand(-1, 6)
            pyro.sample("x", dist.Bernoulli(probs).to_event(1), obs=x.float().reshape(-1, 6))

    def scaled(x: Tensor) -> None:
        with pyro.plate("data", len(x)):
            z = pyro.sample("z", dist.Normal(torch.zeros(1), 1.0).to_event(1))
            pyro.sample("x", dist.Normal(z, 1.0).to_event(1), obs=x / 255)

    def any_guide(x: Tensor) -> None:
        with pyro.plate("data", len(x)):
            pyro.sample("z", dist.Normal(torch.zeros(len(x), 1), 1.0).to_event(1))

    found, _ = simulate(images, any_guide, torch.zeros(30, 1, 2, 3, dtype=torch.uint8))
    assert found.shape == (30, 1, 2, 3) and found.dtype == torch.uint8
    assert 0 < found.float().mean() < 1
    with pytest.raises(UnsupportedPair, match="'x' observes no column"):
        simulate(scaled, any_guide, torch.zeros(30, 1))
    with pytest.raises(UnsupportedPair, match="'x' does not observe"):
        impute(scaled, any_guide, torch.ones(3, 1), torch.tensor([True]), torch.zeros(1), 100)
    assert exact(scaled, any_guide, torch.ones(3, 1)) is not None


def test_a_scalar_latent_has_every_estimate():
    def scalar(x: Tensor) -> None:
        with pyro.plate("data", len(x)):
            z = pyro.sample("z", dist.Normal(torch.zeros(()), 1.0))
            pyro.sample("x", dist.Normal(z[:, None], 1.0).to_event(1), obs=x)

    def scalar_guide(x: Tensor) -> None:
        with pyro.plate("data", len(x)):
            pyro.sample("z", dist.Normal(x[:, 0] / 2, 1.0))

    truth = dist.Normal(0.0, 2**0.5).log_prob(x[:, 0]).double()
    known = exact(scalar, scalar_guide, x).per_datum
    torch.testing.assert_close(known, truth, atol=1e-3, rtol=0)
    low = ais(scalar, scalar_guide, x, Annealing(50, 100, 3)).per_datum
    torch.testing.assert_close(low, truth, atol=0.1, rtol=0)
    data, z = simulate(scalar, scalar_guide, torch.zeros(500, 1))
    assert z["z"].shape == (500,)
    upper = eubo(scalar, scalar_guide, data, z).per_datum
    assert is_below(dist.Normal(0.0, 2**0.5).log_prob(data[:, 0]).double(), upper)
    assert float(bidirectional(scalar, scalar_guide, x, Annealing(20, 8, 3)).gap.mean()) < 2
    assert latent_usage(scalar, scalar_guide, data).activity.shape == (1,)


def double(x: Tensor) -> None:
    with pyro.plate("data", len(x)):
        z = pyro.sample("z", dist.Normal(torch.zeros(1).double(), 1.0).to_event(1))
        pyro.sample("x", dist.Normal(z @ torch.eye(1).double(), 1.0).to_event(1), obs=x)


def double_guide(x: Tensor) -> None:
    with pyro.plate("data", len(x)):
        pyro.sample("z", dist.Normal(x.double() / 2, 1.0).to_event(1))


def single(x: Tensor) -> None:
    with pyro.plate("data", len(x)):
        z = pyro.sample("z", dist.Normal(torch.zeros(1), 1.0).to_event(1))
        pyro.sample("x", dist.Normal(z @ torch.eye(1), 1.0).to_event(1), obs=x)


def single_guide(x: Tensor) -> None:
    with pyro.plate("data", len(x)):
        pyro.sample("z", dist.Normal(x.float() / 2, 1.0).to_event(1))


@pytest.mark.parametrize("pair", [(double, double_guide), (single, single_guide)])
@pytest.mark.parametrize("given", [x, x.double(), x.int(), x.to(torch.int8)])
def test_programs_and_data_of_other_precisions(pair, given):
    truth = dist.Normal(0.0, 2**0.5).log_prob(x[:, 0]).double()
    torch.testing.assert_close(exact(*pair, given).per_datum, truth, atol=1e-3, rtol=0)
    low = ais(*pair, given, Annealing(20, 100, 3)).per_datum
    torch.testing.assert_close(low, truth, atol=0.3, rtol=0)
    torch.testing.assert_close(iwae(*pair, given, 5000).per_datum, truth, atol=0.1, rtol=0)
    assert latent_usage(*pair, given).activity.shape == (1,)


ARRAY = x.numpy()


@pytest.mark.parametrize(
    "given",
    [[x], (x,), ARRAY, [ARRAY], ARRAY.astype(">f4"), Batch.of(ARRAY), ARRAY[::-1].copy()[::-1]],
    ids=range(7),
)
def test_arrays_and_a_loader_s_lists_are_data(given):
    torch.manual_seed(0)
    expected = elbo(model, guide, x, 3).per_datum
    torch.manual_seed(0)
    assert torch.equal(elbo(model, guide, given, 3).per_datum, expected)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (torch.tensor(1.0), "x has a single number for a column"),
        ([], "x has columns of "),
        ((x, x[:2]), r"x has columns of \[3, 2\] rows"),
        (np.array(["a"]), "which torch lacks"),
        (np.zeros((3, 1), "g"), "which torch lacks"),
        (x[:0], "x has no rows"),
    ],
    ids=range(6),
)
def test_what_is_no_data_is_refused_in_one_line(given, message):
    """What is of another type altogether is refused by the hints, which the tests check."""
    for estimator in (
        lambda: elbo(model, guide, given, 3),
        lambda: exact(model, guide, given),
        lambda: ais(model, guide, given, Annealing(2, 2, 1)),
        lambda: simulate(model, guide, given),
    ):
        with pytest.raises(ValueError, match=message) as refusal:
            estimator()
        assert "\n" not in str(refusal.value)


def test_data_of_another_shape_are_refused_in_one_line():
    layer = nn.Linear(1, 1)

    def encoder(x: Tensor) -> None:
        with pyro.plate("data", len(x)):
            pyro.sample("z", dist.Normal(layer(x), 1.0).to_event(1))

    with pytest.raises(
        UnsupportedPair, match=r"\(3x2 and 1x1\)\); give the data in the shape"
    ) as no:
        elbo(model, encoder, x.expand(3, 2), 3)
    assert "\n" not in str(no.value)


def test_whole_numbers_are_not_filled_in_by_halves():
    with pytest.raises(ValueError, match=r"give x.float\(\)"):
        impute(model, guide, x.int(), torch.tensor([True]), torch.zeros(1), 100)


@pytest.mark.parametrize(
    "estimator", [lambda m: iwae(m, guide, x, 50), lambda m: exact(m, guide, x)]
)
def test_measuring_leaves_modules_as_they_were(estimator):
    """Dropout and batch normalisation measure as in evaluation, and train on afterwards."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(1, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, 1))

    def neural(x: Tensor) -> None:
        with pyro.plate("data", len(x)):
            z = pyro.sample("z", dist.Normal(torch.zeros(1), 1.0).to_event(1))
            pyro.sample("x", dist.Normal(net(z), 1.0).to_event(1), obs=x)

    before = {name: value.clone() for name, value in net.state_dict().items()}
    torch.manual_seed(0)
    found = estimator(neural).per_datum
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert all(module.training for module in net.modules())
    net.eval()
    torch.manual_seed(0)
    assert torch.equal(estimator(neural).per_datum, found)


@pytest.mark.parametrize(("prior", "bad"), [("normal", float("nan")), ("gamma", 0.0)])
def test_a_number_that_a_distribution_refuses_is_said_in_a_line(prior, bad, monkeypatch):
    """NaN in the data; a guide that draws where the prior has no density."""
    monkeypatch.setattr("evidence.alone.rows_per_chunk", lambda *_: 1000)
    priors = {"normal": dist.Normal(torch.zeros(1), 1.0), "gamma": dist.Gamma(torch.ones(1), 1.0)}

    def model(x):
        with pyro.plate("data", len(x)):
            z = pyro.sample("z", priors[prior].to_event(1))
            pyro.sample("x", dist.Normal(z, 1.0).to_event(1), obs=x)

    def guide(x):
        with pyro.plate("data", len(x)):
            pyro.sample("z", dist.Normal(x / 2, 0.5**0.5).to_event(1))

    x = torch.zeros(3000, 1) + (20.0 if prior == "gamma" else 0.0)
    x[2713] = bad
    for validated in (True, False) if prior == "normal" else (True,):
        for estimator in (elbo, iwae):
            with (
                pyro.validation_enabled(validated),
                pytest.raises(ValueError, match=r"^(a program|site) [^\n]*: row 2713 of x[^\n]*$"),
            ):
                estimator(model, guide, x, 10)


def test_the_row_of_a_value_outside_of_the_support_is_named(monkeypatch):
    monkeypatch.setattr("evidence.alone.rows_per_chunk", lambda *_: 700)
    x = torch.zeros(3000, 2)
    x[1999, 1] = 0.5

    def bits(x):
        with pyro.plate("data", len(x)):
            z = pyro.sample("z", dist.Normal(torch.zeros(1), 1.0).to_event(1))
            pyro.sample("x", dist.Bernoulli(logits=z.expand(-1, 2)).to_event(1), obs=x)

    def of_coin(x):
        with pyro.plate("data", len(x)):
            k = pyro.sample("k", dist.Bernoulli(torch.tensor(0.5)))
            probs = (0.2 + 0.5 * k).unsqueeze(-1).expand(*k.shape, 2)
            pyro.sample("x", dist.Bernoulli(probs).to_event(1), obs=x)

    for estimator, program in ((elbo, bits), (exact, bits), (exact, of_coin)):
        with pytest.raises(ValueError, match=r"^site 'x' .*: row 1999 of x; see"):
            estimator(program, guide, x)


OUTSIDE = {
    "bit": (7.0, lambda z: dist.Bernoulli(logits=z, validate_args=False)),
    "grey": (0.3, lambda z: dist.Bernoulli(logits=z, validate_args=False)),
    "time": (-1.0, lambda z: dist.Exponential(z.exp(), validate_args=False)),
    "count": (1.5, lambda z: dist.Poisson(z.exp(), validate_args=False)),
}


@pytest.mark.parametrize(("bad", "law"), OUTSIDE.values(), ids=OUTSIDE)
def test_the_support_counts_where_validation_is_off(bad, law):
    """A masked value may be anything."""
    x = torch.ones(20, 1)
    x[7] = bad

    def program(mask):
        def model(x):
            with pyro.plate("data", len(x)):
                z = pyro.sample("z", dist.Normal(torch.zeros(1), 1.0).to_event(1))
                pyro.sample("x", law(z).mask(mask(x)).to_event(1), obs=x)

        return model

    every, some = program(torch.ones_like), program(lambda x: x == 1)
    for estimator in (elbo, iwae, lambda *pair: ais(*pair, Annealing(2, 2, 1))):
        if bad < 0:  # beyond an end: log 0
            assert estimator(every, guide, x).per_datum[7] == -float("inf")
            continue
        with pytest.raises(ValueError, match=r"^site 'x' .* outside .*: row 7 of x; see"):
            estimator(every, guide, x)
    x[7] = float("nan") if bad == 0.3 else bad
    assert elbo(some, lambda x: guide(torch.ones_like(x)), x).per_datum.isfinite().all()


def test_a_draw_outside_of_the_prior_weighs_nothing():
    def positive(x):
        with pyro.plate("data", len(x)):
            z = pyro.sample("z", dist.Exponential(torch.ones(1), validate_args=False).to_event(1))
            pyro.sample("x", dist.Normal(z, 1.0).to_event(1), obs=x)

    torch.manual_seed(0)
    x = -torch.ones(5, 1)
    truth = exact(positive, lambda x: of_half(x), x).per_datum
    torch.testing.assert_close(iwae(positive, guide, x, 20_000).per_datum, truth, atol=0.1, rtol=0)


def of_half(x):
    with pyro.plate("data", len(x)):
        pyro.sample("z", dist.HalfNormal(torch.ones_like(x)).to_event(1))


def test_a_support_of_many_numbers_is_said_in_a_line():
    def model(x):
        with pyro.plate("data", len(x)):
            a = pyro.sample("a", dist.Uniform(torch.ones(len(x)), 3.0))
            z = pyro.sample("z", dist.Uniform(0.0, a))
            pyro.sample("x", dist.Normal(z[:, None], 1.0).to_event(1), obs=x)

    def wide(x):
        with pyro.plate("data", len(x)):
            pyro.sample("a", dist.Uniform(torch.ones(len(x)), 3.0))
            pyro.sample("z", dist.HalfNormal(torch.ones(len(x))))

    with pytest.raises(ValueError, match=r"^site 'z' has no density[^\n]*: row \d+ of x[^\n]*$"):
        iwae(model, wide, torch.zeros(400, 1), 5)


@pytest.mark.parametrize("estimator", [elbo, iwae, exact])
def test_a_model_that_observes_nothing_is_refused(estimator):
    def model(x):
        with pyro.plate("data", len(x)):
            pyro.sample("z", dist.Normal(torch.zeros(1), 1.0).to_event(1))

    def guide(x):
        with pyro.plate("data", len(x)):
            pyro.sample("z", dist.Normal(torch.zeros(len(x), 1), 1.0).to_event(1))

    with pytest.raises(UnsupportedPair, match="the model observes nothing; give one of its sites"):
        estimator(model, guide, torch.zeros(3, 1))


@pytest.mark.parametrize(("low", "is_of_data"), [(lambda x: 0 * x, False), (lambda x: x, True)])
def test_supports_are_bounded_by_data_where_they_differ_between_data(low, is_of_data):
    def model(x):
        with pyro.plate("data", len(x)):
            z = pyro.sample("z", dist.Uniform(low(x), low(x) + 1).to_event(1))
            pyro.sample("x", dist.Normal(z, 1.0).to_event(1), obs=x)

    def guide(x):
        with pyro.plate("data", len(x)):
            pyro.sample("z", dist.Uniform(low(x), low(x) + 1).to_event(1))

    x = torch.tensor([[0.1], [0.4], [0.2]])
    assert Joint(model, guide, x).bounded_by_data == is_of_data
    assert not Joint(model, guide, x[:1]).bounded_by_data


def test_the_first_row_outside_a_support_is_found():
    box = dist.Uniform(torch.zeros(4, 2), 1.0, validate_args=False)
    inside = torch.full((4, 2), 0.5)
    assert _row_outside(box, inside) is None and _row_outside(box.to_event(1), inside) is None
    for row in range(4):
        value = inside.clone()
        value[row:, 1] = 2
        assert _row_outside(box, value) == _row_outside(box.to_event(1), value) == row
    assert _row_outside(dist.Normal(0.0, 1.0), torch.tensor(1.0)) is None


def test_the_first_column_and_row_that_is_not_finite_is_found():
    fine = (torch.ones(3), torch.arange(3), torch.ones(3, 2), torch.ones(3, 2, 2).double())
    assert _not_finite(fine) is None
    for number in (0, 2, 3):
        for row in range(3):
            columns = [column.clone() for column in fine]
            columns[number][row:] = math.nan if row else math.inf
            assert _not_finite((*columns, torch.full((3,), math.nan))) == (number, row)

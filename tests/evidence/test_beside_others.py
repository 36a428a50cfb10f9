"""Every public measure refuses a pair that gives a datum another density beside other data."""

import inspect
import math

import pyro
import pyro.distributions as dist
import pytest
import torch
import torch.nn.functional as F
from pyro.distributions import transforms as T
from torch import Tensor, nn

import evidence
from evidence import Annealing, Coupling, UnsupportedPair, alone, elbo, iwae
from evidence.alone import looked_at

X = torch.randn(9, 2, generator=torch.Generator().manual_seed(0))
PLAN = Annealing(2, 2, 1)
ZERO = {"z": torch.zeros(9, 1)}
# How each function of a pair is called; posterior_draw runs no program.
CALLS = {
    "ais": lambda m, g: evidence.ais(m, g, X, PLAN),
    "bidirectional": lambda m, g: evidence.bidirectional(m, g, X, PLAN),
    "bracket": lambda m, g: evidence.bracket(m, g, X, PLAN, Coupling(1, 2)),
    "elbo": lambda m, g: evidence.elbo(m, g, X, 2),
    "elbo_terms": lambda m, g: evidence.elbo_terms(m, g, X, 2),
    "eubo": lambda m, g: evidence.eubo(m, g, X, ZERO),
    "exact": lambda m, g: evidence.exact(m, g, X),
    "impute": lambda m, g: evidence.impute(m, g, X, X > 0, torch.zeros(2), 20, 1),
    "iw_eubo": lambda m, g: evidence.iw_eubo(m, g, X, ZERO, 2),
    "iwae": lambda m, g: evidence.iwae(m, g, X, 2),
    "latent_usage": lambda m, g: evidence.latent_usage(m, g, X, 2),
    "log_weights": lambda m, g: evidence.log_weights(m, g, X, 2),
    "posterior_draws": lambda m, g: evidence.posterior_draws(m, g, X, Coupling(1, 2)),
    "quadrature": lambda m, g: evidence.quadrature(m, g, X),
    "reliability": lambda m, g: evidence.reliability(m, g, X, 25),
    "reverse_ais": lambda m, g: evidence.reverse_ais(m, g, X, ZERO, PLAN),
    "simulate": lambda m, g: evidence.simulate(m, g, X),
    "simulation_based_calibration": lambda m, g: evidence.simulation_based_calibration(m, g, X, 2),
}


def pair(mean=lambda x, z: z, scale=lambda x, z: 1.0, prior=lambda x: 0.0, seen=lambda x: x, q=0):
    """z ~ N(0, 1), x ~ N(z, 1) and q(z|x) = N(x₁/2, 1), but for what is given."""

    def model(x: Tensor) -> None:
        with pyro.plate("data", len(x)):
            z = pyro.sample("z", dist.Normal(torch.zeros(len(x), 1) + prior(x), 1.0).to_event(1))
            centre = mean(x, z).expand(len(x), 2)
            pyro.sample("x", dist.Normal(centre, scale(x, z)).to_event(1), obs=seen(x))

    def guide(x: Tensor) -> None:
        with pyro.plate("data", len(x)):
            centre = x[:, :1] / 2 if q == 0 else q(x)
            pyro.sample("z", dist.Normal(centre, 1.0).to_event(1))

    return model, guide


with torch.random.fork_rng(), torch.no_grad():
    torch.manual_seed(0)
    # batch_first is forgotten: the data of a batch are the steps of a sequence
    LSTM = nn.LSTM(2, 1)
    for weight in LSTM.parameters():
        weight.mul_(3)  # one that remembers
# Pairs, and which site of which program is named.
PLANTED = {
    "mean of the batch": (pair(mean=lambda x, z: z + x.mean(0)), "'x' of the model"),
    "observed mean": (pair(seen=lambda x: x.mean(0).expand_as(x)), "'x' of the model"),
    "scale of the batch": (pair(scale=lambda x, z: x.std()), "'x' of the model"),
    "prior of the batch": (pair(prior=lambda x: x.mean()), "'z' of the model"),
    "norm of the codes": (
        pair(mean=lambda x, z: F.batch_norm(z, None, None, training=True)),
        "'x' of the model",
    ),
    "softmax over the batch": (pair(mean=lambda x, z: z.softmax(0)), "'x' of the model"),
    "largest of the batch": (pair(mean=lambda x, z: z * x.amax()), "'x' of the model"),
    "number of the data": (pair(mean=lambda x, z: z * len(x)), "'x' of the model"),
    "place of a datum": (
        pair(mean=lambda x, z: z + torch.arange(len(x)).unsqueeze(1)),
        "'x' of the model",
    ),
    "neighbour of a datum": (pair(mean=lambda x, z: z + x.roll(1, 0)), "'x' of the model"),
    "guide of the batch": (pair(q=lambda x: x[:, :1] - x[:, :1].mean(0)), "'z' of the guide"),
    "guide along the batch": (pair(q=lambda x: LSTM(x.unsqueeze(1))[0][:, 0]), "'z' of the guide"),
    "first of the batch": (pair(q=lambda x: x[:1, :1].expand(len(x), 1)), "'z' of the guide"),
}
every_planted = pytest.mark.parametrize(("programs", "site"), PLANTED.values(), ids=PLANTED)


def test_every_public_function_of_a_pair_is_called_here():
    public = {name: vars(evidence)[name] for name in evidence.__all__}
    taking = {
        name
        for name, thing in public.items()
        if inspect.isfunction(thing) and "model" in inspect.signature(thing).parameters
    }
    assert taking - {"posterior_draw", "enumeration"} == CALLS.keys()


@every_planted
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_density_that_depends_on_other_data_is_refused_by_its_site(call, programs, site):
    with pytest.raises(UnsupportedPair, match=f"site {site} has a log-density .* alone") as refusal:
        call(*programs)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("name", sorted(CALLS.keys() - {"bracket", "posterior_draws"}))  # take long
def test_a_pair_whose_densities_are_a_datum_s_own_is_measured(name):
    assert CALLS[name](*pair()) is not None


@pytest.mark.parametrize("probs", [lambda x: x.mean(), lambda x: x.cumsum(0)[:, 0] / 20])
def test_a_sum_over_values_is_refused_too(probs):
    def coin(x: Tensor) -> None:
        with pyro.plate("data", len(x)):
            k = pyro.sample("k", dist.Bernoulli(0.3))
            p = 0.1 + 0.3 * k + 0.3 * probs(x)
            pyro.sample("x", dist.Bernoulli(p), obs=x[:, 0])

    with pytest.raises(UnsupportedPair, match="site 'x' of the model"):
        evidence.enumeration(coin, (X > 0).float())


@every_planted
@pytest.mark.parametrize("rows", [2, 3, 60])
def test_the_first_part_is_not_all_that_is_looked_at(programs, site, rows, monkeypatch):
    """Nearly equal data show little, and a late one that is another does. Parts have 4 rows."""
    monkeypatch.setattr(evidence.chunks, "CHUNK_FLOATS", 8)
    x = torch.cat([torch.ones(rows - 1, 2) + X[:1], torch.tensor([[3.0, 0.5]])])
    with pytest.raises(UnsupportedPair, match=f"{site}|{site[-9:]} runs on .* not on"):
        looked_at(*programs, x)


def test_data_that_a_program_cannot_run_on_by_themselves_are_looked_at_beside_all():
    """It needs the longest row, which is its own; what is missing of others is a mean, or none."""

    def filled(by):
        def mean(x, z):
            missing = x[:, 1:] == 0
            if bool(missing.all()):
                raise RuntimeError("a row of two is needed")
            return z + torch.where(missing, by(x), 0 * x[:, :1])

        return pair(mean=mean)

    x = torch.tensor([[9.0, 9.0], *([0.1 * row, 0.0] for row in range(1, 8))])
    assert looked_at(*filled(lambda x: x[:, :1]), x).size == 8
    with pytest.raises(UnsupportedPair, match="'x' of the model has a log-density"):
        looked_at(*filled(lambda x: x[:, :1].mean()), x)


def test_what_is_no_number_alone_is_not_the_same_number():
    """A variance of one row, say; validation, which would name it, may be off."""

    def model(x: Tensor) -> None:
        with pyro.plate("data", len(x)):
            z = pyro.sample("z", dist.Normal(torch.zeros(len(x), 1), 1.0).to_event(1))
            centre = z + (0.0 if len(x) > 1 else math.nan)
            law = dist.Normal(centre.expand(len(x), 2), 1.0, validate_args=False)
            pyro.sample("x", law.to_event(1), obs=x)

    with pytest.raises(UnsupportedPair, match=r"'x' of the model .* and of nan alone"):
        looked_at(model, pair()[1], X)


def test_one_datum_is_beside_its_own_other_draws():
    model, guide = pair(mean=lambda x, z: z - z.mean(0))
    with pytest.raises(UnsupportedPair, match="'x' of the model"):
        iwae(model, guide, X[:1], 5)


def test_noise_that_no_site_draws_is_refused():
    model, guide = pair(mean=lambda x, z: z + torch.randn_like(z))
    with pytest.raises(UnsupportedPair, match="'x' of the model has another log-density at each"):
        elbo(model, guide, X)


@pytest.mark.parametrize("of_batch", [False, True])
def test_a_flow_without_an_inverse_is_looked_at_by_its_noise(of_batch):
    flow = T.conditional_planar(2, 2, [8])

    def model(x: Tensor) -> None:
        with pyro.plate("data", len(x)):
            z = pyro.sample("z", dist.Normal(torch.zeros(2), 1.0).to_event(1))
            pyro.sample("x", dist.Normal(z, 1.0).to_event(1), obs=x)

    def guide(x: Tensor) -> None:
        with pyro.plate("data", len(x)):
            base = dist.Normal(torch.zeros(len(x), 2), 1.0).to_event(1)
            context = x - x.mean(0) if of_batch else x
            pyro.sample("z", dist.TransformedDistribution(base, [flow.condition(context)]))

    if not of_batch:
        assert elbo(model, guide, X).per_datum.isfinite().all()
        return
    with pytest.raises(UnsupportedPair, match="'z' of the guide"):
        elbo(model, guide, X)


def test_rounding_is_not_taken_for_a_neighbour():
    """At σ = 1e-6 a mean's last digit is worth nats, and it depends on how many rows there are."""
    net = nn.Sequential(nn.Linear(1, 300), nn.Tanh(), nn.Linear(300, 2))
    for scale in (1e-3, 1e-5, 1e-6):
        model, guide = pair(mean=lambda x, z: net(z), scale=lambda x, z, s=scale: s)
        assert looked_at(model, guide, X.repeat(50, 1)).size == 50 * len(X)


def test_a_last_digit_that_the_number_of_rows_changes_is_rounding():
    """At σ = 1e-6 it is worth nats; the third digit is another number."""
    for relative, is_rounding in ((torch.finfo().eps, True), (1e-3, False)):
        few = lambda x, z, by=relative: z * (1 + by * (len(x) < len(X)))  # noqa: E731
        model, guide = pair(mean=few, scale=lambda x, z: 1e-6)
        if is_rounding:
            assert looked_at(model, guide, X).size == len(X)
        else:
            with pytest.raises(UnsupportedPair, match="'x' of the model"):
                looked_at(model, guide, X)


def test_a_look_draws_nothing_of_the_caller_s_noise():
    torch.manual_seed(0)
    expected = torch.rand(())
    torch.manual_seed(0)
    looked_at(*pair(), X)
    assert torch.equal(torch.rand(()), expected)


def test_a_look_takes_a_few_runs_of_each_program():
    """Two runs with all data to account for the sites, one to compare, and one of each group."""
    model, guide = pair()
    runs = []

    def counted(x: Tensor) -> None:
        runs.append(len(x))
        model(x)

    looked_at(counted, guide, X)
    assert len(runs) == 7 and sum(runs) == 4 * len(X)
    assert alone.TIMES > 1

"""Every estimator on a VAE that somebody else wrote as Pyro's tutorial does; refusals by name."""

import itertools

import pyro
import pyro.distributions as dist
import pytest
import torch
from torch import Tensor, nn

from evidence import (
    UnsupportedPair,
    chunks,
    elbo,
    exact,
    iwae,
    latent_usage,
    log_weights,
    reliability,
)
from evidence.annealing import Annealing, ais, bidirectional
from evidence.batch import Batch
from evidence.estimate import Quadrature
from evidence.joint import Joint
from evidence.recording import Calls, recorded
from evidence.upper import eubo, iw_eubo, simulate
from tests.evidence.statistics_checks import e_value_accepts, is_below


class TutorialVAE(nn.Module):
    """Has other site names, a batch in the prior's shape, a sigmoid, and uses pyro.module."""

    def __init__(self, z_dim: int = 2, hidden: int = 16) -> None:
        super().__init__()
        self.z_dim = z_dim
        self.decoder = nn.Sequential(
            nn.Linear(z_dim, hidden), nn.Softplus(), nn.Linear(hidden, 12), nn.Sigmoid()
        )
        self.encoder = nn.Sequential(
            nn.Linear(12, hidden), nn.Softplus(), nn.Linear(hidden, 2 * z_dim)
        )

    def model(self, x: Tensor) -> None:
        pyro.module("decoder", self.decoder)
        with pyro.plate("images", x.shape[0]):
            z_loc, z_scale = (
                x.new_zeros((x.shape[0], self.z_dim)),
                x.new_ones((x.shape[0], self.z_dim)),
            )
            z = pyro.sample("latent", dist.Normal(z_loc, z_scale).to_event(1))
            probs = self.decoder(z)
            pyro.sample(
                "obs", dist.Bernoulli(probs, validate_args=False).to_event(1), obs=x.reshape(-1, 12)
            )

    def guide(self, x: Tensor) -> None:
        pyro.module("encoder", self.encoder)
        with pyro.plate("images", x.shape[0]):
            loc, log_scale = self.encoder(x.reshape(-1, 12)).chunk(2, dim=-1)
            pyro.sample("latent", dist.Normal(loc, log_scale.exp()).to_event(1))


@pytest.fixture
def vae():
    torch.manual_seed(0)
    pyro.clear_param_store()
    yield TutorialVAE()
    pyro.clear_param_store()


def test_every_estimator_runs_unchanged_and_in_order(vae: TutorialVAE) -> None:
    x, z = simulate(vae.model, vae.guide, torch.zeros(60, 12))
    truth = exact(vae.model, vae.guide, x)
    assert truth is not None and isinstance(truth.details, Quadrature)
    assert log_weights(vae.model, vae.guide, x, 3).shape == (3, 60)
    plan = Annealing(10, 4, 3)
    ladder = [
        elbo(vae.model, vae.guide, x, 20),
        iwae(vae.model, vae.guide, x, 200),
        truth,
        iw_eubo(vae.model, vae.guide, x, z, 20),
        eubo(vae.model, vae.guide, x, z),
    ]
    for lower, upper in itertools.pairwise(ladder):
        assert is_below(lower.per_datum, upper.per_datum)
    assert e_value_accepts(ais(vae.model, vae.guide, x, plan).per_datum - truth.per_datum)
    bracket = bidirectional(vae.model, vae.guide, x, plan)
    assert e_value_accepts(-bracket.gap)
    assert reliability(vae.model, vae.guide, x, 200).pareto_k.shape == (60,)
    assert latent_usage(vae.model, vae.guide, x).activity.shape == (2,)


def bounded_guide(x: Tensor, top: Tensor) -> Tensor:
    """z ~ U(0, top): also the prior of `bounded`."""
    with pyro.plate("data", len(x)):
        return pyro.sample("z", dist.Uniform(torch.zeros(2), top).expand(x.shape).to_event(1))


def bounded(x: Tensor, top: Tensor) -> None:
    """z ~ U(0, top), x ~ N(z, 1)."""
    with pyro.plate("data", len(x)):
        z = pyro.sample("z", dist.Uniform(torch.zeros(2), top).expand(x.shape).to_event(1))
        pyro.sample("x", dist.Normal(z, 1.0).to_event(1), obs=x)


def test_a_support_that_depends_on_the_datum() -> None:
    """Each datum's chains stay in its box; the truth is a difference of normal probabilities."""
    top = torch.linspace(0.2, 10, 80).reshape(40, 2)
    (x, _), latents = simulate(bounded, bounded_guide, (torch.zeros(40, 2), top))
    normal, plan = dist.Normal(torch.zeros((), dtype=torch.float64), 1.0), Annealing(20, 8, 5)
    truth = ((normal.cdf(top - x.double()) - normal.cdf(-x.double())) / top).log().sum(1)
    low = ais(bounded, bounded_guide, (x, top), plan).per_datum - truth
    assert e_value_accepts(low) and float(low.mean()) > -0.5
    assert e_value_accepts(-bidirectional(bounded, bounded_guide, (x, top), plan).gap)
    assert is_below(truth, eubo(bounded, bounded_guide, (x, top), latents).per_datum)
    alone = [
        lambda x, program=program: program(x, 1 + x.abs()) for program in (bounded, bounded_guide)
    ]
    assert exact(*alone, x) is None, "there is no grid for all data"


def test_some_of_the_data_keep_their_own_supports() -> None:
    top = torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    joint = Joint(bounded, bounded_guide, Batch((torch.zeros(3, 2), top)))
    some, u = torch.tensor([2, 0]), torch.tensor([[0.3, -2.0], [1.0, 0.0], [-1.0, 3.0]])
    (found,) = joint.of(some).latents(u[some]).values()
    torch.testing.assert_close(found, top[some] * u[some].sigmoid())
    torch.testing.assert_close(found, next(iter(joint.latents(u).values()))[some])


@pytest.mark.parametrize("shared", [False, True])
def test_recorded_annealing_takes_every_batch_in_its_own_support(shared: bool, monkeypatch) -> None:
    """Bounds of every datum or of all; those of the second chunk reach five times as far."""
    monkeypatch.setattr(chunks, "CHUNK_FLOATS", 2 * 4 * 10)
    top = torch.rand(20, 2) + torch.tensor([1.0, 5.0]).repeat_interleave(10).unsqueeze(1)
    pair = [
        lambda x, top, program=program: program(x, torch.tensor(7.0) if shared else top)
        for program in (bounded, bounded_guide)
    ]
    found = []
    for enabled in (False, True):
        torch.manual_seed(0)
        with recorded(enabled, into=Calls(None)) as calls:
            found.append(ais(*pair, (top / 2, top), Annealing(5, 4, 2)).per_datum)
    assert calls.why_eager is None and len(calls.graphs) == 2
    torch.testing.assert_close(found[1], found[0])


def test_global_latents_several_plates_and_discrete_sites_are_refused_by_name(
    vae: TutorialVAE,
) -> None:
    def with_global(x: Tensor) -> None:
        pyro.sample("shared", dist.Normal(0.0, 1.0))
        vae.model(x)

    def global_guide(x: Tensor) -> None:
        pyro.sample("shared", dist.Normal(0.0, 1.0))
        vae.guide(x)

    def nested(x: Tensor) -> None:
        with pyro.plate("images", len(x), dim=-1), pyro.plate("pixels", 12, dim=-2):
            z = pyro.sample("latent", dist.Normal(0.0, 1.0))
            pyro.sample("obs", dist.Normal(z, 1.0), obs=x.T)

    def nested_guide(x: Tensor) -> None:
        with pyro.plate("images", len(x), dim=-1), pyro.plate("pixels", 12, dim=-2):
            pyro.sample("latent", dist.Normal(0.0, 1.0))

    x = torch.zeros(5, 12)
    for estimator in (
        lambda m, g: iwae(m, g, x, 3),
        lambda m, g: ais(m, g, x, Annealing(2, 1, 1)),
        lambda m, g: exact(m, g, x),
        lambda m, g: reliability(m, g, x, 25),
    ):
        with pytest.raises(UnsupportedPair, match="'shared'"):
            estimator(with_global, global_guide)
        with pytest.raises(UnsupportedPair, match="plates"):
            estimator(nested, nested_guide)

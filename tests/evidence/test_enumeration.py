"""Enumeration against sums written out by hand, and against Pyro's own."""

import itertools
import math

import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro.infer import TraceEnum_ELBO
from torch import Tensor

from evidence import UnsupportedPair, exact
from evidence.enumeration import support
from evidence.estimate import Enumeration
from models.clustered import Clustered
from models.likelihoods.gaussian import Gaussian
from models.priors.mixture import Mixture
from networks.mlp import MLP

CENTRES = torch.tensor([[-2.0, 0.0], [2.0, 1.0], [0.0, 3.0]])
WEIGHTS = torch.tensor([0.5, 0.3, 0.2])


def mixture(x: Tensor) -> None:
    with pyro.plate("data", len(x)):
        y = pyro.sample("y", dist.Categorical(WEIGHTS), infer={"enumerate": "parallel"})
        pyro.sample("x", dist.Normal(CENTRES[y], 0.7).to_event(1), obs=x)


def nothing(x: Tensor) -> None:
    """The guide of a model whose latents are summed out."""


def chain(x: Tensor) -> None:
    """A label, three bits that depend on it, and counts that depend on both."""
    with pyro.plate("data", len(x)):
        y = pyro.sample("y", dist.Categorical(WEIGHTS))
        bits = pyro.sample(
            "bits",
            dist.Bernoulli(torch.sigmoid(CENTRES.sum(1))[y].unsqueeze(-1).expand(-1, 3)).to_event(
                1
            ),
        )
        pyro.sample("x", dist.Poisson(1.0 + y + bits.sum(-1)), obs=x)


def test_a_gaussian_mixture_is_the_sum_over_its_components() -> None:
    x = torch.randn(50, 2) * 2
    found = exact(mixture, nothing, x)
    assert (
        found is not None and found.kind == "exact" and found.details == Enumeration(assignments=3)
    )
    components = dist.Normal(CENTRES, 0.7).to_event(1)
    expected = (WEIGHTS.double().log() + components.log_prob(x.unsqueeze(1)).double()).logsumexp(1)
    torch.testing.assert_close(found.per_datum, expected, atol=1e-5, rtol=1e-6)
    assert float(found.per_datum.sum()) == pytest.approx(
        -TraceEnum_ELBO(max_plate_nesting=1).loss(mixture, nothing, x), rel=1e-5
    )


def test_several_sites_that_depend_on_each_other() -> None:
    x = torch.tensor([0.0, 3.0, 9.0])
    found = exact(chain, nothing, x)
    assert found is not None and found.details == Enumeration(assignments=3 * 2**3)
    for datum, value in zip(x, found.per_datum, strict=True):
        total = 0.0
        for y, *bits in itertools.product(range(3), (0, 1), (0, 1), (0, 1)):
            on = float(torch.sigmoid(CENTRES.sum(1))[y])
            p_bits = math.prod(on if bit else 1 - on for bit in bits)
            total += (
                float(WEIGHTS[y])
                * p_bits
                * float(dist.Poisson(1.0 + y + sum(bits)).log_prob(datum).exp())
            )
        assert float(value) == pytest.approx(math.log(total), abs=1e-5)


def test_supports_of_events_are_all_combinations() -> None:
    bits = support(dist.Bernoulli(0.5 * torch.ones(4, 3)).to_event(1))
    assert bits is not None and bits.shape == (8, 3) and len(bits.unique(dim=0)) == 8
    hot = support(dist.OneHotCategorical(torch.ones(4, 5)))
    assert hot is not None and torch.equal(hot, torch.eye(5))
    assert (
        support(dist.Poisson(torch.ones(4))) is None
        and support(dist.Normal(torch.zeros(4), 1.0)) is None
    )
    assert (
        support(dist.Bernoulli(0.5 * torch.ones(4, 17)).to_event(1)) is None
    )  # more than is enumerated


def test_a_discrete_global_latent_is_refused_by_name() -> None:
    def model(x: Tensor) -> None:
        shared = pyro.sample("shared", dist.Bernoulli(0.5))
        with pyro.plate("data", len(x)):
            pyro.sample("x", dist.Normal(shared, 1.0), obs=x)

    with pytest.raises(UnsupportedPair, match="'shared' is outside the data plate"):
        exact(model, nothing, torch.zeros(3))


def test_a_clustered_model_is_the_sum_over_its_clusters() -> None:
    """Σ_y p(y) p(x|y), each p(x|y) by quadrature, equals the model with y summed out."""
    torch.manual_seed(0)
    likelihood = Gaussian((4,), scale=0.5)
    model = Clustered(
        Mixture(2, components=3),
        MLP((2,), likelihood.parameter_shape, width=8, layers=1),
        likelihood,
    )
    x = torch.randn(20, 4)

    def guide(x: Tensor) -> None:
        with pyro.plate("data", len(x)):
            pyro.sample("z", dist.Normal(torch.zeros(len(x), 2), 1.0).to_event(1))

    def given(y: int):
        def program(x: Tensor) -> None:
            components = model.prior().component_distribution
            one = dist.Normal(components.base_dist.loc[y], components.base_dist.scale[y]).to_event(
                1
            )
            with pyro.plate("data", len(x)):
                z = pyro.sample("z", one)
                pyro.sample("x", likelihood(model.decoder(z)), obs=x)

        return program

    whole = exact(model, guide, x)
    parts = [exact(given(y), guide, x) for y in range(3)]
    assert whole is not None
    log_p = torch.stack([part.per_datum for part in parts if part is not None])
    summed = (model.prior().mixture_distribution.logits.double().unsqueeze(1) + log_p).logsumexp(0)
    torch.testing.assert_close(whole.per_datum, summed, atol=1e-3, rtol=0)

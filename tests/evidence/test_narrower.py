"""A guide that leaves out part of the prior's support: its bounds are said, or refused by name."""

import pyro
import pyro.distributions as dist
import pytest
import torch

from evidence import (
    Annealing,
    UnsupportedPair,
    eubo,
    exact,
    iw_eubo,
    iwae,
    log_weights,
    reverse_ais,
    simulate,
)
from tests.evidence.statistics_checks import is_below


def model_of(prior):
    def model(x):
        with pyro.plate("data", len(x)):
            z = pyro.sample("z", prior.to_event(1))
            pyro.sample("x", dist.Normal(z, 1.0).to_event(1), obs=x)

    return model


def guide_of(family):
    def guide(x):
        with pyro.plate("data", len(x)):
            pyro.sample("z", family(x).to_event(1))

    return guide


NORMAL, POSITIVE = dist.Normal(torch.zeros(1), 1.0), dist.HalfNormal(torch.ones(1))
EXP = dist.transforms.ExpTransform()
NARROWER = {
    "uniform for normal": (NORMAL, lambda x: dist.Uniform(x - 1, x + 2)),
    "half-normal for normal": (NORMAL, lambda x: dist.HalfNormal(1 + x.abs())),
    "uniform for half-normal": (POSITIVE, lambda x: dist.Uniform(0 * x, 1.0)),
}
AS_WIDE = {
    "log-normal": (POSITIVE, lambda x: dist.LogNormal(0 * x, 1.0)),
    "gamma": (POSITIVE, lambda x: dist.Gamma(1 + x.abs(), 1.0)),
    "beta": (dist.Uniform(torch.zeros(1), 1.0), lambda x: dist.Beta(1 + x.abs(), 1.0)),
    "student": (NORMAL, lambda x: dist.StudentT(5.0, x / 2)),
    "flow": (POSITIVE, lambda x: dist.TransformedDistribution(dist.Normal(x, 1.0), [EXP])),
}


@pytest.mark.parametrize(("prior", "family"), NARROWER.values(), ids=NARROWER)
def test_a_narrower_guide(prior, family):
    torch.manual_seed(0)
    model, guide = model_of(prior), guide_of(family)
    x, z = simulate(model, guide, torch.zeros(300, 1))
    truth = exact(model, guide, x).per_datum
    for low in (iwae, log_weights):
        with pytest.warns(UserWarning, match=r"^site 'z': the prior may draw .* stays below log p"):
            found = low(model, guide, x, 500)
    with pytest.warns(UserWarning):
        assert float((truth - iwae(model, guide, x, 2000).per_datum).mean()) > 0.1
    for refused in (
        lambda: eubo(model, guide, x, z),
        lambda: iw_eubo(model, guide, x, z, 10),
        lambda: reverse_ais(model, guide, x, z, Annealing(5, 2, 2, start="guide")),
    ):
        with pytest.raises(UnsupportedPair, match=r"^site 'z': .* do not reach log p\(x\); start"):
            refused()
    # Half of the draws from the prior reach all of it.
    lower = iwae(model, guide, x, 500, "mixture").per_datum
    upper = iw_eubo(model, guide, x, z, 500, "mixture").per_datum
    assert found.isfinite().all() and is_below(lower, truth) and is_below(truth, upper)
    assert float((upper - lower).mean()) < 0.05


@pytest.mark.parametrize(("prior", "family"), AS_WIDE.values(), ids=AS_WIDE)
def test_a_guide_of_the_same_support_is_not_warned_of(prior, family):
    model, guide = model_of(prior), guide_of(family)
    x, z = simulate(model, guide, torch.zeros(20, 1))
    assert is_below(iwae(model, guide, x, 50).per_datum, iw_eubo(model, guide, x, z, 50).per_datum)


def test_half_precision_is_compared_as_far_as_it_goes():
    model = model_of(dist.Exponential(torch.ones(1).half()))
    with pytest.warns(UserWarning, match="site 'z': the prior may draw"):
        iwae(model, guide_of(lambda x: dist.Uniform(0 * x, 1.0)), torch.zeros(3, 1).half(), 10)
    wide = guide_of(lambda x: dist.HalfNormal(1 + 0 * x))
    assert iwae(model, wide, torch.zeros(3, 1).half(), 10).per_datum.isfinite().all()


def test_a_guide_of_one_datum_alone_may_be_narrower():
    """Its support depends on the datum; the last one has too little."""
    model = model_of(dist.Uniform(torch.zeros(1), 1.0))
    guide = guide_of(lambda x: dist.Uniform(0 * x, 1 - 0.5 * (x > 3)))
    x = torch.tensor([[0.5]] * 10 + [[4.0]])
    iwae(model, guide, x[:10], 10)
    with pytest.warns(UserWarning, match="site 'z': the prior may draw"):
        iwae(model, guide, x, 10)


def test_a_number_that_is_none_is_refused():
    """Of a pair that validates nothing, half of each proposal has a weight that is NaN."""
    x = torch.tensor([[1.0], [2.0]])
    guide = guide_of(lambda x: dist.Normal(torch.ones(len(x), 1), 1.0))
    with pyro.validation_enabled(False), pytest.raises(ArithmeticError, match="datum 0 is NaN"):
        iwae(model_of(dist.Gamma(torch.full((1,), 2.0), 1.0)), guide, x, 100, "mixture")

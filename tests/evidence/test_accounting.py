"""Every site of both programs is counted, bookkeeping without a density, or refused by its name."""

from functools import partial

import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro import poutine
from pyro.infer import autoguide
from torch import Tensor

from evidence import (
    Annealing,
    UnsupportedPair,
    ais,
    elbo,
    enumeration,
    exact,
    iw_eubo,
    iwae,
    simulate,
)
from evidence.example import guide, model

X = torch.randn(6, 1, generator=torch.Generator().manual_seed(0))
ESTIMATORS = {
    "elbo": lambda m, g: elbo(m, g, X, 3),
    "iwae": lambda m, g: iwae(m, g, X, 3),
    "ais": lambda m, g: ais(m, g, X, Annealing(2, 2, 1)),
    "exact": lambda m, g: exact(m, g, X),
    "simulate": lambda m, g: simulate(m, g, X),
    "iw_eubo": lambda m, g: iw_eubo(m, g, X, {"z": X}, 3),
}
every_estimator = pytest.mark.parametrize("estimator", ESTIMATORS.values(), ids=ESTIMATORS)


def model_with(add):
    """The example's model, with what `add` writes in its plate."""

    def longer(x: Tensor) -> None:
        with pyro.plate("data", len(x)):
            z = pyro.sample("z", dist.Normal(torch.zeros(1), 1.0).to_event(1))
            pyro.sample("x", dist.Normal(z, 1.0).to_event(1), obs=x)
            add(x)

    return longer


def guide_with(add):
    """The example's guide, with what `add` writes in its plate."""

    def longer(x: Tensor) -> None:
        with pyro.plate("data", len(x)):
            pyro.sample("z", dist.Normal(x / 2, 1.0).to_event(1))
            add(x)

    return longer


def factor(x: Tensor) -> None:
    pyro.factor("more", 2.0 + 0 * x[:, 0], has_rsample=True)


def observation(x: Tensor) -> None:
    pyro.sample("more", dist.Normal(0.0, 1.0), obs=x[:, 0])


def note(x: Tensor) -> None:
    pyro.deterministic("more", 2 * x, event_dim=1)
    pyro.deterministic("whole", x.sum())


def drawn(make):
    """A guide that draws z from `make(x)`."""

    def program(x: Tensor) -> None:
        with pyro.plate("data", len(x)):
            pyro.sample("z", make(x))

    return program


POINTS = {
    "delta": lambda x: dist.Delta(x, event_dim=1),
    "independent delta": lambda x: dist.Delta(x).to_event(1),
    "masked delta": lambda x: dist.Delta(x).mask(True).to_event(1),
    "transformed delta": lambda x: dist.TransformedDistribution(
        dist.Delta(x).to_event(1), [dist.transforms.AffineTransform(0.0, 1.0)]
    ),
    "mixture with a delta": lambda x: dist.MaskedMixture(
        torch.zeros(len(x), 1).bool(), dist.Delta(x), dist.Normal(x, 1.0)
    ).to_event(1),
}


@every_estimator
@pytest.mark.parametrize("add", [factor, observation])
def test_what_a_guide_adds_is_refused_by_name(estimator, add):
    with pytest.raises(UnsupportedPair, match="'more'"):
        estimator(model, guide_with(add))


@every_estimator
def test_a_factor_in_the_model_is_refused_by_name(estimator):
    with pytest.raises(UnsupportedPair, match="'more'"):
        estimator(model_with(factor), guide)


@pytest.mark.parametrize("measure", [elbo, iwae])
def test_a_second_observation_is_counted(measure):
    """It depends on no latent here: with the same noise its density is what is added."""
    found = []
    for one in (model, model_with(observation)):
        torch.manual_seed(0)
        found.append(measure(one, guide, X, 5).per_datum)
    added = dist.Normal(0.0, 1.0).log_prob(X[:, 0]).double()
    torch.testing.assert_close(found[1] - found[0], added, rtol=0, atol=1e-5)


@every_estimator
@pytest.mark.parametrize("point", POINTS.values(), ids=POINTS)
def test_a_point_is_no_density(estimator, point):
    with pytest.raises(UnsupportedPair, match="'z' of the guide is a Delta"):
        estimator(model, drawn(point))


@every_estimator
def test_an_observation_without_a_density_is_refused(estimator):
    def certain(x: Tensor) -> None:
        with pyro.plate("data", len(x)):
            z = pyro.sample("z", dist.Normal(torch.zeros(1), 1.0).to_event(1))
            pyro.sample("x", dist.Delta(z, event_dim=1), obs=x)

    with pytest.raises(UnsupportedPair, match="'x' of the model is a Delta"):
        estimator(certain, guide)


@every_estimator
def test_what_is_only_written_down_changes_nothing(estimator):
    found = []
    for pair in ((model, guide), (model_with(note), guide_with(note))):
        torch.manual_seed(0)
        answer = estimator(*pair)
        found.append(answer[0] if isinstance(answer, tuple) else answer.per_datum)
    assert torch.equal(found[0], found[1])


def test_a_sum_over_a_factor_is_refused():
    def coin(x: Tensor, add=factor) -> None:
        with pyro.plate("data", len(x)):
            k = pyro.sample("k", dist.Bernoulli(0.3))
            pyro.sample("x", dist.Normal(k.unsqueeze(-1), 1.0).to_event(1), obs=x)
            add(x)

    with pytest.raises(UnsupportedPair, match="'more'"):
        enumeration(coin, X)
    noted = partial(coin, add=note)
    assert enumeration(noted, X) is not None
    with pytest.raises(UnsupportedPair, match="'k' is masked"):
        enumeration(poutine.mask(noted, mask=torch.arange(len(X)) > 0), X)


def test_values_that_depend_on_a_later_datum_are_not_summed():
    """The first ten count to 1, the last to 2: p(x) has the sum over its own values, or none."""

    def model(x: Tensor, total: Tensor) -> None:
        with pyro.plate("data", len(x)):
            k = pyro.sample("k", dist.Binomial(total, 0.5))
            pyro.sample("x", dist.Normal(k, 1.0), obs=x)

    total = torch.ones(12)
    assert enumeration(model, (torch.zeros(12), total)) is not None
    total[-1] = 2
    assert enumeration(model, (torch.zeros(12), total)) is None


@every_estimator
def test_a_latent_whose_density_is_left_out_is_refused(estimator):
    def masked_latent(x: Tensor) -> None:
        with pyro.plate("data", len(x)), poutine.mask(mask=kept(x)):
            pyro.sample("z", dist.Normal(x / 2, 1.0).to_event(1))

    with pytest.raises(UnsupportedPair, match="'z' is masked"):
        estimator(model, masked_latent)
    with pytest.raises(UnsupportedPair, match="'z' is masked"):
        estimator(
            model, drawn(lambda x: dist.Normal(x / 2, 1.0).mask(kept(x)[:, None]).to_event(1))
        )


def kept(x: Tensor) -> Tensor:
    """Leaves out data below 0.3."""
    return x[:, 0] > 0.3


@pytest.mark.parametrize("inside", [False, True])
def test_a_masked_observation_counts_for_nothing(inside):
    """log p(x) of the others is theirs, and that of a datum that is left out is 0."""

    def half(x: Tensor) -> None:
        with pyro.plate("data", len(x)):
            z = pyro.sample("z", dist.Normal(torch.zeros(1), 1.0).to_event(1))
            likelihood = dist.Normal(z, 1.0)
            if inside:
                pyro.sample("x", likelihood.mask(kept(x)[:, None]).to_event(1), obs=x)
                return
            with poutine.mask(mask=kept(x)):
                pyro.sample("x", likelihood.to_event(1), obs=x)

    truth = torch.where(kept(X), dist.Normal(0.0, 2**0.5).log_prob(X[:, 0]), 0.0).double()
    for found in (iwae(half, guide, X, 20_000), ais(half, guide, X, Annealing(40, 200, 3))):
        torch.testing.assert_close(found.per_datum, truth, atol=0.05, rtol=0)
    assert exact(half, guide, X) is None, "p(x|z) of one datum is not that of another"


def test_a_datum_left_out_of_both_programs_weighs_nothing():

    def left_out(program):
        return lambda x: poutine.mask(program, mask=kept(x))(x)

    pair = [left_out(program) for program in (model, guide)]
    found = elbo(*pair, X, 1).per_datum
    assert not found[~kept(X)].any() and found[kept(X)].all()


@pytest.mark.parametrize("kind", ["AutoNormal", "AutoDelta", "AutoDiagonalNormal"])
def test_autoguides_are_refused_in_one_line(kind):
    pyro.clear_param_store()
    auto = vars(autoguide)[kind](model)
    auto(X)
    with pytest.raises(UnsupportedPair, match=r"'z'|_latent'") as refusal:
        elbo(model, auto, X, 3)
    pyro.clear_param_store()
    assert "\n" not in str(refusal.value)


def subsampled(x: Tensor) -> None:
    with pyro.plate("data", len(x), subsample_size=3) as few:
        z = pyro.sample("z", dist.Normal(torch.zeros(1), 1.0).to_event(1))
        pyro.sample("x", dist.Normal(z, 1.0).to_event(1), obs=x[few])


def baked_in(x: Tensor) -> None:
    with pyro.plate("data", len(X)):
        z = pyro.sample("z", dist.Normal(torch.zeros(len(X), 1), 1.0).to_event(1))
        pyro.sample("x", dist.Normal(z, 1.0).to_event(1), obs=x)


def without_to_event(x: Tensor) -> None:
    with pyro.plate("data", len(x)):
        pyro.sample("z", dist.Normal(x.expand(-1, 2), 1.0))


def without_plate(x: Tensor) -> None:
    pyro.sample("z", dist.Normal(x, 1.0))


@every_estimator
@pytest.mark.parametrize(
    "pair",
    [(subsampled, guide), (baked_in, guide), (model, without_to_event), (model, without_plate)],
)
def test_shapes_that_are_not_the_data_s_are_refused_in_one_line(estimator, pair):
    if pair[0] is baked_in and estimator in (ESTIMATORS["simulate"],):
        pytest.skip("runs once, on as many data as it takes")
    with pytest.raises(UnsupportedPair, match=r"site .?z|site x|site 'x'|plate") as refusal:
        estimator(*pair)
    assert "\n" not in str(refusal.value) and "to_event" in str(refusal.value)


@every_estimator
def test_a_plate_that_declares_fewer_data_than_there_are_rows(estimator):
    """Scaled for training on mini-batches of 6 out of 7 data: particles make 18 rows."""

    def scaled(program):
        def inside(x: Tensor) -> None:
            with pyro.plate("data", 7, subsample_size=len(x)):
                program(x)

        return inside

    def latent(x: Tensor) -> None:
        pyro.sample("z", dist.Normal(x / 2, 1.0).to_event(1))

    def both(x: Tensor) -> None:
        z = pyro.sample("z", dist.Normal(torch.zeros(1), 1.0).to_event(1))
        pyro.sample("x", dist.Normal(z, 1.0).to_event(1), obs=x)

    answer = estimator(scaled(both), scaled(latent))
    assert (answer[0] if isinstance(answer, tuple) else answer.per_datum).isfinite().all()


def flat(x: Tensor):
    return dist.Normal(x.new_zeros(len(x), 2), 1.0).to_event(1)


THIN = {
    "circle": (lambda x: dist.VonMises(0 * x, 1.0).to_event(1), drawn(lambda x: flat(x[:, :1]))),
    "Sphere": (lambda x: dist.ProjectedNormal(torch.ones(len(x), 2)), drawn(flat)),
    "Simplex": (lambda x: dist.Dirichlet(torch.ones(len(x), 2)), drawn(flat)),
}


@every_estimator
@pytest.mark.parametrize("space", THIN)
@pytest.mark.parametrize("validated", [True, False])
def test_densities_of_a_latent_are_on_one_space(estimator, space, validated):
    prior, wrong = THIN[space]

    def around(x: Tensor) -> None:
        with pyro.plate("data", len(x)):
            z = pyro.sample("z", prior(x))
            pyro.sample("x", dist.Normal(z[..., :1], 1.0).to_event(1), obs=x)

    with pyro.validation_enabled(validated):
        with pytest.raises(UnsupportedPair, match=rf"^latent site 'z' has .* a {space} .*guide"):
            estimator(around, wrong)
        assert elbo(around, drawn(prior), X, 3).per_datum.isfinite().all()
        if space != "Simplex":
            with pytest.raises(UnsupportedPair, match=f"'z' lies on a {space}, which no map"):
                exact(around, drawn(prior), X)

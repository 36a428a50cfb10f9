"""Real columns in units of their own: networks work in standard units, densities in the data's."""

import itertools
import math

import numpy as np
import pytest
import torch

from configs.compose import request_from
from data import View, open_dataset
from data.raw import RawData, RawSplit
from data.units import FAR, units_of
from errors import TrainingError
from evidence.training.optimizer import FusedAdam
from evidence.training.per_datum import PerDatum
from experiment.build import build_data, build_pair
from inference.fast.svi import FastSVI
from inference.loop import train_epoch
from inference.objectives.elbo import ELBO
from inference.progress import Progress
from models.likelihoods import Gaussian, Laplace, StudentT
from networks import MLP
from networks.inputs import Rescaled, Standardized

UNITS = 10.0 ** np.array([-3, -1, 0, 2, 4, 6])
GENERATOR = np.random.default_rng(0)
SHARED = GENERATOR.normal(size=(300, 1))
TABLE = UNITS * (SHARED + 0.3 * GENERATOR.normal(size=(300, 6)) + 10)
MISSING = np.where(GENERATOR.random((300, 6)) < 0.1, -999.0, GENERATOR.normal(size=(300, 6)))


def asked(tmp_path, values, *overrides):
    np.save(tmp_path / "x.npy", values)
    return request_from(
        "data=arrays", f"data.path={tmp_path / 'x.npy'}", "network.width=8", *overrides
    )


def test_units_are_those_of_the_training_split_alone():
    train, other = (RawSplit((np.ones((50, 1)) * c + TABLE[:50]) * 7) for c in (0, 1e7))
    data = open_dataset(RawData(train, other, other, None, standardise=True), "t", View("real"))
    expected = train.values.mean(0), train.values.std(0)
    np.testing.assert_allclose(data.units.mean, expected[0], rtol=1e-6)
    np.testing.assert_allclose(data.units.sd, expected[1], rtol=1e-5)


def test_ordinary_columns_stay_as_they_are(tmp_path):
    """So do all data in other spaces, of other sources, and of runs that ask for it."""
    near = GENERATOR.normal(size=(300, 6))
    gaussian = "likelihood=gaussian"
    assert build_data(asked(tmp_path, near, gaussian)).units is None
    assert build_data(asked(tmp_path, 300 * near, gaussian)).units is not None
    assert build_data(asked(tmp_path, 300 * near, gaussian, "data.standardise=false")).units is None
    assert build_data(request_from("data=linear_gaussian", gaussian)).units is None
    assert build_data(request_from(gaussian, "data.space=real")).units is None
    assert build_data(asked(tmp_path, np.full((30, 2), 9e4), "likelihood=poisson")).units is None
    edge = torch.tensor([[-FAR], [FAR]])
    assert units_of(lambda: [edge]) is None and units_of(lambda: [edge * 1.01]) is not None


def test_networks_work_in_standard_units():
    inner, mean, sd = MLP((6,), (6,), 8, 1), torch.tensor(TABLE.mean(0)), torch.tensor(UNITS)
    mean, sd, x = mean.float(), sd.float(), torch.tensor(TABLE).float()
    assert torch.equal(Standardized(inner, mean, sd)(x), inner((x - mean) / sd))
    outer = Rescaled(inner, mean, sd)
    outer.start_at(mean + 2 * sd)
    inner.last_layer.weight.data.zero_()
    torch.testing.assert_close(outer(x)[0], mean + 2 * sd)
    two = Rescaled(MLP((6,), (2, 6), 8, 1), mean, sd)
    start = torch.stack([mean, torch.full((6,), 0.3)])
    two.start_at(start)
    two.network.last_layer.weight.data.zero_()
    torch.testing.assert_close(two(x)[0], start)


@pytest.mark.parametrize(
    ("family", "scale"),
    [
        *itertools.product(
            (Gaussian, Laplace, StudentT), ("learned", "per_dimension", "predicted")
        ),
        (Gaussian, "optimal"),
    ],
)
def test_densities_keep_the_units_of_the_data(family, scale):
    """log p(x) in units u is log p of standardised x less Σ log u, at the same parameters.

    A density in standard units, without that sum, is noticed.
    """
    sd = torch.tensor(UNITS if scale not in ("learned", "optimal") else np.full(6, 300.0)).float()
    plain, scaled = (family((6,), scale=scale).eval() for _ in range(2))
    scaled.in_units(sd)
    h = torch.randn(5, *plain.parameter_shape)
    wide = h.clone()
    (wide[:, 0] if scale == "predicted" else wide).mul_(sd)
    x = torch.randn(5, 6)
    found, expected = scaled(wide).log_prob(x * sd), plain(h).log_prob(x) - sd.log().sum()
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    assert not torch.allclose(found, plain(h).log_prob(x), atol=1e-2)
    if scale == "optimal":
        assert scaled.floor == pytest.approx(300 * plain.floor)


LIKELIHOODS = {
    "gaussian": ["likelihood=gaussian"],
    **{
        scale: ["likelihood=gaussian", f"likelihood.scale={scale}"]
        for scale in ("learned", "per_dimension", "predicted", "optimal")
    },
    "student_t": ["likelihood=student_t", "likelihood.scale=predicted"],
    "laplace": ["likelihood=laplace", "likelihood.scale=per_dimension"],
}


@pytest.mark.parametrize("name", LIKELIHOODS)
@pytest.mark.parametrize("values", [TABLE, MISSING, 300 * SHARED.repeat(4, 1)])
def test_tables_in_their_own_units_are_trained(tmp_path, train, name, values):
    np.save(tmp_path / "x.npy", values)
    status, out, error = train(
        *("data=arrays", f"data.path={tmp_path / 'x.npy'}", "network.width=8", "train.epochs=3"),
        *("train.compile=off", "device=cpu", f"run_dir={tmp_path / 'run'}", *LIKELIHOODS[name]),
    )
    assert status == 0, error
    assert "networks see the data less their mean" in out


def test_a_column_shifts_the_elbo_by_its_unit_alone(tmp_path, train):
    """The same table in other units: the ELBO differs by Σ log of the factors, to rounding."""
    factors = 10.0 ** np.array([2, 3, 4, 5, 2, 3])
    elbos = []
    base = 100 * (SHARED + 0.3 * GENERATOR.normal(size=(300, 6)) + 10)
    for number, values in enumerate((base, base * factors)):
        np.save(tmp_path / f"{number}.npy", values)
        status, out, error = train(
            *("data=arrays", f"data.path={tmp_path}/{number}.npy", "network.width=8"),
            *("likelihood=gaussian", "likelihood.scale=per_dimension", "train.epochs=10"),
            *("train.compile=off", "device=cpu", f"run_dir={tmp_path}/run{number}"),
        )
        assert status == 0, error
        elbos.append(float(out.split("best validation ELBO ")[1].split()[0]))
    assert elbos[0] - elbos[1] == pytest.approx(np.log(factors).sum(), abs=0.5)


def test_what_a_distribution_refuses_in_training_is_one_line(tmp_path):
    """Weights that make σ NaN stand for what else may."""
    request = asked(tmp_path, GENERATOR.normal(size=(300, 6)), "likelihood=gaussian")
    data = build_data(request)
    model, guide = build_pair(request, data)
    with torch.no_grad():
        for parameter in guide.parameters():
            parameter.fill_(math.nan)
    adam = FusedAdam((model, guide), 1e-3, lambda step: 1.0, 0.0, None)
    svi = FastSVI(model, guide, adam, PerDatum(ELBO()), compiled=False)
    message = (
        r"^training stopped at epoch 3, step 1: Expected parameter \w+.* site 'z' of the guide"
    )
    with Progress(1, 300, 100, 0) as progress, pytest.raises(TrainingError, match=message) as error:
        train_epoch(svi, data.train.batches(100), 3, progress)
    assert "\n" not in str(error.value)

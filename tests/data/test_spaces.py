"""Putting values into a space: membership, laws of the noise, splits that repeat."""

import math

import numpy as np
import pytest
import torch

from data import SPACES, open_dataset
from data.raw import RawData, RawSplit
from data.sources import digits
from errors import RequestError

Z_SCORE = 5.0  # two-sided error probability 6e-7 per statement


@pytest.fixture(scope="module")
def raw():
    return digits.load()


def opened(raw, space, **options):
    return open_dataset(raw, "digits", space, **options)


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("part", ["train", "valid", "test"])
def test_values_lie_in_the_space(raw, space, part):
    data = opened(raw, space)
    x = data(part)[:]
    assert x.dtype == torch.float32 and x.shape == (len(data(part)), 8, 8)
    assert SPACES[space].contains(x).all()


@pytest.mark.parametrize("space", SPACES)
def test_validation_and_test_repeat_and_do_not_follow_the_run(raw, space):
    torch.manual_seed(1)
    first = opened(raw, space)
    torch.manual_seed(2)
    second = opened(raw, space)
    for part in ("valid", "test"):
        assert torch.equal(first(part)[:], second(part)[:]) and torch.equal(
            first(part)[:], first(part)[:]
        )


@pytest.mark.parametrize(
    ("space", "binarisation", "redrawn"),
    [("binary", "dynamic", True), ("binary", "fixed", False), ("binary", "threshold", False), ("unit", "dynamic", True),
     ("real", "dynamic", True), ("bytes", "dynamic", False), ("counts", "dynamic", False)],
)  # fmt: skip
def test_training_is_drawn_anew_where_it_is_said(raw, space, binarisation, redrawn):
    train = opened(raw, space, binarisation=binarisation).train
    assert torch.equal(train[:50], train[:50]) != redrawn


def test_opening_leaves_the_generator_alone(raw):
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    opened(raw, "unit")
    assert torch.equal(torch.rand(4), expected)


def z_scores(draws, mean, variance):
    """Standardised deviation of the average of `draws` (N, …) from a known mean."""
    return (draws.double().mean(0) - mean) / (variance / len(draws)) ** 0.5


@pytest.mark.parametrize("levels", [17, 256])
def test_binarisation_has_the_grey_value_as_its_mean(levels):
    """All grey levels at once, by one chi-square statement: the sum of squared z-scores of `levels`−2 averages."""
    grey = torch.arange(levels, dtype=torch.uint8).reshape(1, levels)
    values = RawSplit(np.repeat(grey.numpy(), 10, 0))
    train = open_dataset(RawData(values, values, values, levels), "grey", "binary").train
    torch.manual_seed(0)
    draws = torch.cat([train[:] for _ in range(2000)])
    p = torch.arange(levels) / (levels - 1)
    assert (draws[:, 0] == 0).all() and (draws[:, -1] == 1).all(), "black and white are certain"

    def excess(mean):
        """Standard normal under the hypothesis, nearly: (χ² − k)/√(2k)."""
        chi = (z_scores(draws[:, 1:-1], mean, mean * (1 - mean)) ** 2).sum()
        return float((chi - len(mean)) / math.sqrt(2 * len(mean)))

    assert abs(excess(p[1:-1].double())) < Z_SCORE
    if levels == 17:  # planted: the common slip of dividing by the number of levels
        assert excess((torch.arange(levels)[1:-1] / levels).double()) > Z_SCORE


def test_dequantisation_is_uniform_within_the_level():
    values = RawSplit(np.full((5, 2), 7, dtype=np.uint8))
    train = open_dataset(RawData(values, values, values, 16), "sevens", "unit").train
    torch.manual_seed(0)
    x = torch.cat([train[:] for _ in range(2000)]).flatten()
    assert x.min() >= 7 / 16 and x.max() < 8 / 16
    u = x.double() * 16 - 7
    assert abs(z_scores(u, 0.5, 1 / 12)) < Z_SCORE
    assert abs(z_scores(u**2, 1 / 3, 4 / 45)) < Z_SCORE


def test_real_is_standardised_and_its_quantum_is_the_jacobian(raw):
    data = opened(raw, "real")
    x = torch.cat([data.train[:] for _ in range(20)]).double()
    assert abs(x.mean()) < 0.01 and abs(x.std() - 1) < 0.01
    unit = opened(raw, "unit")
    torch.manual_seed(0)
    real_draw = data.train[:100]
    torch.manual_seed(0)
    unit_draw = unit.train[:100]
    slope = (real_draw[0, 0] - real_draw[1, 3]) / (unit_draw[0, 0] - unit_draw[1, 3])
    assert torch.allclose(slope, torch.tensor(data.quantum / unit.quantum), rtol=1e-4)


def test_limit_keeps_the_first_examples_of_every_split(raw):
    whole, few = opened(raw, "bytes"), opened(raw, "bytes", limit=30)
    for part in ("train", "valid", "test"):
        assert len(few(part)) == len(few(part).labels) == 30
        assert torch.equal(few(part)[:], whole(part)[:30])


def test_an_epoch_sees_every_datum_once(raw):
    train = opened(raw, "bytes").train
    batches = list(train.shuffled(100))
    assert [len(batch) for batch in batches] == [100] * 12 + [97]
    key = torch.arange(64, dtype=torch.float64).reshape(8, 8) ** 3
    sums = [
        torch.cat(part).double().mul(key).sum((1, 2)).sort().values
        for part in (batches, [train[:]])
    ]
    assert torch.equal(*sums)
    torch.manual_seed(0)
    first = torch.cat(list(train.shuffled(100)))
    torch.manual_seed(0)
    assert torch.equal(first, torch.cat(list(train.shuffled(100))))


def test_the_mean_is_that_of_the_training_split(raw):
    data = opened(raw, "unit")
    assert torch.allclose(
        data.mean.double(), torch.tensor((raw.train.values + 0.5).mean(0) / 17), atol=0.01
    )


@pytest.mark.parametrize(
    ("values", "space", "message"),
    [
        (
            np.full((9, 2), 1.5),
            "unit",
            r"1.5 at index \(0, 0\), outside \[0, 1\]; its values fit real",
        ),
        (np.full((9, 2), 0.5), "counts", "outside .*; its values fit unit, real"),
        (np.full((9, 2), -1.0), "bytes", "fit real"),
        (np.full((9, 2), 0.5), "colour", "choose from binary, bytes, unit, real, counts"),
    ],
)
def test_values_outside_the_space_are_refused(values, space, message):
    split = RawSplit(values)
    with pytest.raises(RequestError, match=message):
        open_dataset(RawData(split, split, split, None), "mine", space)

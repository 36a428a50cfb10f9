"""Values are put into a space: they lie in it, noise has its law, and splits repeat."""

import math
import subprocess
import sys

import numpy as np
import pytest
import torch
import yaml

from data import SPACES, View, open_dataset
from data.names import SPACE_NAMES
from data.raw import RawData, RawSplit
from data.sources import digits
from errors import RequestError
from experiment.build import build_data
from tests.choices import request
from tests.conftest import ROOT

Z_SCORE = 5.0  # two-sided error probability 6e-7 per statement


@pytest.fixture(scope="module")
def raw():
    return digits.load()


def opened(raw, space, **options):
    return open_dataset(raw, "digits", View(space, **options))


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
    [
        ("binary", "dynamic", True),
        ("binary", "fixed", False),
        ("binary", "threshold", False),
        ("unit", "dynamic", True),
        ("real", "dynamic", True),
        ("bytes", "dynamic", False),
        ("counts", "dynamic", False),
    ],
)
def test_training_noise_is_drawn_for_every_batch_where_it_is_dynamic(
    raw, space, binarisation, redrawn
):
    train = opened(raw, space, binarisation=binarisation).train
    assert torch.equal(train[:50], train[:50]) != redrawn


def test_opening_leaves_the_generator_alone(raw):
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    opened(raw, "unit")
    assert torch.equal(torch.rand(4), expected)


def z_scores(draws, mean, variance):
    """The standardised deviation of the average of `draws` (N, …) from a known mean."""
    return (draws.double().mean(0) - mean) / (variance / len(draws)) ** 0.5


@pytest.mark.parametrize("levels", [17, 256])
def test_binarisation_has_the_grey_value_as_its_mean(levels):
    """One chi-square statistic covers all grey levels: the sum of `levels`−2 squared z-scores."""
    grey = torch.arange(levels, dtype=torch.uint8).reshape(1, levels)
    values = RawSplit(np.repeat(grey.numpy(), 10, 0))
    train = open_dataset(RawData(values, values, values, levels), "grey", View("binary")).train
    torch.manual_seed(0)
    draws = torch.cat([train[:] for _ in range(2000)])
    p = torch.arange(levels) / (levels - 1)
    assert (draws[:, 0] == 0).all() and (draws[:, -1] == 1).all(), "black and white are certain"

    def excess(mean):
        """Returns (χ² − k)/√(2k), which is nearly standard normal under the hypothesis."""
        chi = (z_scores(draws[:, 1:-1], mean, mean * (1 - mean)) ** 2).sum()
        return float((chi - len(mean)) / math.sqrt(2 * len(mean)))

    assert abs(excess(p[1:-1].double())) < Z_SCORE
    if levels == 17:  # a planted bug: the common slip of dividing by the number of levels
        assert excess((torch.arange(levels)[1:-1] / levels).double()) > Z_SCORE


def test_dequantisation_is_uniform_within_the_level():
    values = RawSplit(np.full((5, 2), 7, dtype=np.uint8))
    train = open_dataset(RawData(values, values, values, 16), "sevens", View("unit")).train
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

    def epoch(seed):
        torch.manual_seed(seed)
        return [batch.x for batch in train.shuffled(100)]

    assert [len(x) for x in epoch(0)] == [100] * 12 + [97]
    key = torch.arange(64, dtype=torch.float64).reshape(8, 8) ** 3
    found, expected = (
        x.double().mul(key).sum((1, 2)).sort().values for x in (torch.cat(epoch(0)), train[:])
    )
    assert torch.equal(found, expected)
    assert torch.equal(torch.cat(epoch(1)), torch.cat(epoch(1)))


def test_labels_come_with_their_data_where_they_are_asked_for(raw):
    plain = opened(raw, "bytes")
    given = plain.with_labels().train
    x, labels = given[20:30]
    assert torch.equal(x, plain.train[20:30]) and torch.equal(labels, plain.train.labels[20:30])
    batches = [batch.rows(slice(None)) for batch in given.batches(500)]
    assert torch.equal(torch.cat([batch[1] for batch in batches]), given.labels)
    known = {tuple(x.flatten().tolist()): int(y) for x, y in zip(*given[:], strict=True)}
    for x, labels in given.shuffled(500):
        assert [known[tuple(row.flatten().tolist())] for row in x] == labels.tolist()


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
        # float32, in which data are kept, would round the last of these counts.
        (np.full((9, 2), 2**24 + 1), "counts", r"16777216 at index \(0, 0\), .*2²⁴.* fit real"),
    ],
)
def test_values_outside_the_space_are_refused(values, space, message):
    split = RawSplit(values)
    with pytest.raises(ValueError, match=message):
        open_dataset(RawData(split, split, split, None), "mine", View(space))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"space": "colour"}, "^space=colour: choose from binary, bytes, unit, real, counts$"),
        ({"binarisation": "x"}, "^binarisation=x: choose from dynamic, fixed, threshold$"),
        ({"limit": 0}, "^limit=0: must be at least 1"),
        ({"memory_limit": "much"}, "^memory_limit=much: must be bytes"),
    ],
)
def test_a_wrong_view_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        View(**({"space": "binary"} | options))


def test_options_have_the_defaults_of_a_view():
    options = yaml.safe_load((ROOT / "configs/view.yaml").read_text())
    assert options.pop("space") is None  # chosen by the likelihood
    assert options == {name: getattr(View("binary"), name) for name in options}


@pytest.mark.parametrize("name", sorted(f.stem for f in (ROOT / "configs/data").glob("*.yaml")))
def test_every_data_set_has_the_options_of_a_view(name):
    options = request(f"data={name}").data.options
    assert {"space", "binarisation", "limit", "seed"} <= options.keys()


def test_every_name_of_a_space_is_a_space():
    assert tuple(SPACES) == SPACE_NAMES and all(SPACES[name].name == name for name in SPACES)


def test_names_are_imported_without_torch():
    found = subprocess.run(
        [sys.executable, "-c", "import sys, data.names, data.view; print('torch' in sys.modules)"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout == "False\n"


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["data=arrays", "data.path=nowhere.npy"], r"^data\.path=nowhere\.npy: no such file$"),
        (["data=arrays"], r"^data\.path=null: must name your data"),
        (
            ["data=linear_gaussian", "data.noise=-0.5"],
            r"^data\.noise=-0\.5: must be positive, and its square a number$",
        ),
        (["data.limit=0"], r"^data\.limit=0: must be a whole number, at least 1"),
        (
            ["data=linear_gaussian", "likelihood=poisson", "data.space=counts"],
            r"^data\.space=counts: the train split of data=linear_gaussian has .* fit real$",
        ),
        (
            ["data=linear_gaussian", "likelihood=gaussian", "model=conditional"],
            "^model=conditional: data=linear_gaussian has no labels .* or model=vae$",
        ),
    ],
)
def test_who_builds_data_from_a_request_names_the_options(overrides, message):
    with pytest.raises(RequestError, match=message):
        build_data(request(*overrides))


def test_what_is_no_refusal_is_not_taken_for_one(monkeypatch):
    """A bug in a source, or in a library that it calls."""

    def broken():
        raise ValueError("the array is ambiguous")

    monkeypatch.setattr("sklearn.datasets.load_digits", broken)
    with pytest.raises(ValueError, match=r"^the array is ambiguous$"):
        build_data(request())

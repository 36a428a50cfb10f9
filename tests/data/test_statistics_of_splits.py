"""What is taken from data is taken from the training split alone; noise is drawn once a value."""

import numpy as np
import pytest
import torch

from data import View, open_dataset
from data.raw import RawData, RawSplit
from data.sources import arrays
from data.storage import InMemory, drawn_once
from data.streaming import OnDisk

LEVELS, ROWS = 64, 4000
NOISY = ["unit", "real", "binary"]


def levels(low, high, seed):
    generator = np.random.default_rng(seed)
    return RawSplit(generator.integers(low, high, (ROWS, 3)).astype(np.uint8))


@pytest.fixture(scope="module")
def raw():
    """Three splits whose means and spreads have nothing in common."""
    return RawData(levels(0, 16, 0), levels(20, 24, 1), levels(40, 64, 2), LEVELS)


def test_real_is_standardised_by_the_training_split(raw):
    data = open_dataset(raw, "levels", View("real"))
    v = raw.train.values.astype(np.float64)
    mean, sd = v.mean() + 0.5, np.sqrt(v.var() + 1 / 12)  # of v + u
    assert data.quantum == pytest.approx(1 / sd, rel=1e-6)
    for part in ("train", "valid", "test"):
        u = data(part)[:].double().numpy() * sd + mean - raw.splits[part].values
        assert u.min() > -1e-4 and u.max() < 1 + 1e-4, part
        assert u.mean() == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("space", ["bytes", "counts"])
def test_the_mean_is_that_of_the_training_split(raw, space):
    data = open_dataset(raw, "levels", View(space))
    assert data.mean.numpy() == pytest.approx(raw.train.values.mean(0), rel=1e-6)


def test_units_are_those_of_the_training_split(tmp_path):
    noise = np.random.default_rng(0)
    splits = {
        part: noise.normal(centre, sd, (500, 2)).astype(np.float32)
        for part, centre, sd in (("train", 300, 40), ("valid", -2, 1), ("test", 9000, 7))
    }
    np.savez(tmp_path / "splits.npz", **splits)
    data = open_dataset(arrays.load(str(tmp_path / "splits.npz")), "mine", View("real"))
    assert data.units.mean.numpy() == pytest.approx(splits["train"].mean(0), rel=1e-4)
    assert data.units.sd.numpy() == pytest.approx(splits["train"].std(0), rel=1e-2)


def grey(count=ROWS):
    """Data that are all alike: whatever differs is noise."""
    return RawSplit(np.full((count, 3), 21, np.uint8))


@pytest.mark.parametrize("space", NOISY)
def test_splits_seeds_and_data_have_noise_of_their_own(space):
    options = {"binarisation": "fixed"} if space == "binary" else {}
    alike = RawData(grey(), grey(), grey(), LEVELS)
    one, other = (
        open_dataset(alike, "alike", View(space, seed=seed, **options)) for seed in (0, 9)
    )
    for a, b in (
        (one.valid, one.test),
        (one.valid, other.valid),
        (one.test, other.test),
        (one.train, one.test),
    ):
        assert not torch.equal(a[:], b[:])
    assert len(one.test[:].unique(dim=0)) > (4 if space == "binary" else ROWS // 2)


@pytest.mark.parametrize("seed", [0, 5])
def test_equal_blocks_have_different_noise(monkeypatch, seed, tmp_path):
    """In memory, streamed, and within a block, which is drawn a part at a time."""
    rows = 50
    values = torch.full((8 * rows, 3), 21, dtype=torch.uint8)
    np.save(tmp_path / "alike.npy", values.numpy())
    draw = lambda v, g: v + torch.rand(v.shape, generator=g)  # noqa: E731
    for module in ("storage", "streaming"):
        monkeypatch.setattr(f"data.{module}.FLOATS_PER_SEED", 3 * 2 * rows)
    monkeypatch.setattr("data.storage.FLOATS_AT_A_TIME", 3 * rows)
    in_memory = InMemory(values).drawn(draw, seed)[:]
    assert len(in_memory.unique(dim=0)) == 8 * rows
    whole = drawn_once(values[: 2 * rows], draw, seed, 3)
    assert len(whole.unique(dim=0)) == 2 * rows
    raw = arrays.load(str(tmp_path / "alike.npy"), split_by="order")
    streamed = open_dataset(raw, "mine", View("unit", memory_limit=100, seed=seed))
    assert isinstance(streamed.test.stored, OnDisk)
    test = streamed.test[:]
    assert len(test.unique(dim=0)) == len(test)

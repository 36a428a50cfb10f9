"""Splits of another distribution are said; a permutation of the same data is not."""

import numpy as np
import pytest

from data.drift import drift
from data.sources.arrays import load


def said(tmp_path, rows, **options):
    np.save(tmp_path / "rows.npy", rows.astype(np.float32))
    notes = load(str(tmp_path / "rows.npy"), **options).notes
    return [note for note in notes if "differs from the training split" in note]


def by_date(count=1000):
    """The second number grows with the date; the first does not."""
    generator = np.random.default_rng(0)
    return np.stack([generator.normal(size=count), np.arange(count) / 100.0], 1)


def test_a_table_sorted_by_date_is_said(tmp_path):
    lines = said(tmp_path, by_date(), split_by="order")
    assert [line.split(" ")[1] for line in lines] == ["validation", "test"]
    assert all("in 1 of 2 numbers, most in number 1" in line for line in lines)


@pytest.mark.parametrize("seed", range(20))
def test_equal_splits_are_not(tmp_path, seed):
    """Each is said with a probability of at most 1e-6 a split."""
    rows = np.random.default_rng(seed).normal(size=(300, 40))
    assert not said(tmp_path, rows, split_by="order")


def test_a_permutation_mixes_what_is_sorted(tmp_path):
    """It is not looked at when data are read, since it cannot differ: so it is looked at here."""
    np.save(tmp_path / "rows.npy", by_date().astype(np.float32))
    found = load(str(tmp_path / "rows.npy"))
    assert drift(found.train, found.test, "test") is None


def test_a_streamed_file_is_looked_at(tmp_path):
    lines = said(tmp_path, by_date(), memory_limit="1kB")
    assert len(lines) == 2


def test_splits_of_ones_own_are_looked_at(tmp_path):
    rows = by_date(900)
    file = tmp_path / "own.npz"
    np.savez(file, train=rows[:300], valid=rows[300:600], test=rows[:300])
    (line,) = [note for note in load(str(file)).notes if "differs" in note]
    assert "the validation split" in line

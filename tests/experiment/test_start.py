"""A run goes on from where another ended, or starts with its weights; that one stays as it is."""

import hashlib

import numpy as np
import pytest

from experiment import load_run
from tests.experiment.test_resume import assert_equal, content

WORDS = ("network.width=8", "data.limit=60", "train.batch_size=20", "device=cpu")
CONSTANT = ("train.schedule=constant", "train.warmup_epochs=0")


@pytest.fixture
def runs(train, tmp_path):
    """Trains a run by its name in one folder; returns its directory."""

    def make(name, *words):
        status, out, error = train(*WORDS, *words, f"run_dir={tmp_path / name}")
        return tmp_path / name, status, out, error

    return make


def files(folder):
    return {f.name: hashlib.sha256(f.read_bytes()).hexdigest() for f in folder.rglob("*.*")}


def test_a_longer_run_is_the_run_that_was_that_long_at_once(runs):
    short, *_ = runs("short", *CONSTANT, "train.epochs=2")
    before = files(short)
    longer, status, out, error = runs("longer", *CONSTANT, "train.epochs=4", f"extend={short}")
    assert status == 0, error
    assert "goes on from epoch 2 of 4" in out + error
    atonce, *_ = runs("at once", *CONSTANT, "train.epochs=4")
    for a, b in zip(content(longer), content(atonce), strict=True):
        if isinstance(a, dict):
            a.pop("config"), b.pop("config")
            if "best" in a:
                a["best"].pop("config", None), b["best"].pop("config", None)
        assert_equal(a, b)
    assert files(short) == before
    assert load_run(longer).epoch == load_run(atonce).epoch


def test_weights_of_another_run_are_where_this_one_starts(runs):
    first, *_ = runs("first", "train.epochs=3")
    words = ("train.epochs=1", "train.learning_rate=1e-30", "likelihood=bernoulli")
    second, status, _, error = runs("second", *words, "objective=iwae", f"init_from={first}")
    assert status == 0, error
    there, here = load_run(first), load_run(second)
    for program in ("model", "guide"):
        assert_equal(vars(there)[program].state_dict(), vars(here)[program].state_dict())


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["extend={}", "train.epochs=2"], "train.epochs=2: {} has 2 already; say more"),
        (["extend={}", "network.width=9"], "network.width is 8 there, 9 now; say what that run"),
        (["extend={}", "data.limit=50"], "data.limit is 60 there, 50 now"),
        (["extend={}", "init_from={}"], "extend and init_from: a run starts from one of them"),
        (["extend=nowhere"], "extend=nowhere: "),
        (["init_from={}", "latent_dim=3"], "init_from={}: the model's decoder."),
        (["init_from={}", "guide=iaf"], "init_from={}: the guide's "),
    ],
)
def test_what_does_not_fit_is_refused_and_leaves_nothing(runs, words, expected):
    short, *_ = runs("short", "train.epochs=2")
    other, status, _, error = runs("other", *(word.format(short) for word in words))
    assert status == 2 and error.count("\n") == 1
    assert expected.format(short) in error
    assert not other.exists()


def test_an_unfinished_run_is_continued_by_its_own_command(runs):
    short, *_ = runs("short", "train.epochs=2")
    (short / "DONE").unlink()
    _, status, _, error = runs("other", f"extend={short}")
    assert status == 2 and "unfinished; the command that began it continues it" in error


def test_other_data_are_not_gone_on_with(runs, tmp_path):
    own = ("data=arrays", f"data.path={tmp_path / 'x.npy'}", "likelihood=gaussian")
    np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(size=(60, 3)))
    short, status, _, error = runs("short", *own, "train.epochs=1")
    assert status == 0, error
    np.save(tmp_path / "x.npy", np.random.default_rng(1).normal(size=(60, 3)))
    _, status, _, error = runs("other", *own, f"extend={short}")
    assert status == 2 and "not the data that the run was trained on" in error


def test_nothing_is_read_of_the_other_run_once_this_one_has_begun(runs, tmp_path):
    short, *_ = runs("short", "train.epochs=1")
    longer, *_ = runs("longer", "train.epochs=2", f"extend={short}")
    short.rename(tmp_path / "moved")
    (longer / "DONE").unlink()
    _, status, _, error = runs("longer", "train.epochs=2", f"extend={short}")
    assert status == 0, error

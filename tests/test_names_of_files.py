"""Files and folders of any name are given as they are called, without Hydra's grammar."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from configs.compose import request_from
from configs.quoting import quoted

ODD = ("my data (1)", "[x]", "[x", "{a}", "a=b", "it's", 'a "b"', "rün 例", "a\\", "\\'", "1e3")
ODD += ("a, b", "a,b", "true", "range(1,3)", "x#y;z", "a\nb", "'", "2020", " a ")
WORDS = st.text(st.sampled_from("ab1 [](){}=,:'\"\\#@é\t"), min_size=1)


@settings(max_examples=60)
@given(WORDS.filter(lambda word: word.strip() and word.strip("'\" \t") == word.strip()))
@example(" a")
@example("a\t")
@example("\\\\'\\")
def test_a_name_arrives_as_it_is(name):
    # A backslash that the grammar understands is its own: `a\\ b`, as Hydra's manual says.
    if "\\" not in name or "'" in name:
        assert request_from("data=arrays", f"data.path={name}").data.options["path"] == name


@pytest.mark.parametrize("name", ODD, ids=ascii)
def test_data_and_runs_of_odd_names(tmp_path, name, train):
    file = tmp_path / f"{name}.npy"
    np.save(file, np.random.default_rng(0).normal(size=(40, 3)))
    run = tmp_path / name
    status, _, error = train(
        *("data=arrays", f"data.path={file}", "likelihood=gaussian", "network.width=4"),
        *("train.epochs=1", "device=cpu", "train.compile=off", f"run_dir={run}"),
    )
    assert status == 0 and (run / "DONE").exists(), error


def test_what_hydra_reads_stays_as_it_is():
    words = ["seed=0,1", "+x=[1,2]", "~data", "prior=vamp", "run_dir='a b'", "data.path=null"]
    assert quoted(words) == words
    assert quoted(["run_dir=a,b"], sweep=True) == ["run_dir=a,b"]

"""examples/other_libraries: models of others are pairs, and what their estimators read is as said.

docs/others.md gives the reasons for every difference that is checked here.
"""

import functools
import importlib
import inspect

import pyro
import pytest

from evidence import Estimate
from tests.conftest import ROOT
from tests.evidence.statistics_checks import is_below

# What stands between their model and a pair, in the words of each example.
ADAPTERS = {
    "pyro_tutorial_pair": ["pair"],
    "pyro_semisupervised_pair": ["pair"],
    "pyro_dmm_pair": ["arguments", "MaskOfSite", "pair"],
    "pythae_pair": ["pair"],
    "scvi_pair": ["pair"],
}
NEEDS = {"pythae_pair": "pythae", "scvi_pair": "scvi"}
# Their estimator, and ours of the same quantity.
SAME = {
    "pyro_tutorial_pair": ("Pyro: Trace_ELBO", "ELBO"),
    "pyro_semisupervised_pair": ("Pyro: −evaluate_loss(), 20 times", "Σ_y of ELBO"),
    "pyro_dmm_pair": ("Pyro: −evaluate_loss(), 20 times", "ELBO"),
    "pythae_pair": ("pythae: get_nll(n_samples=1000)", "IWAE-1000"),
    "scvi_pair": ("scvi-tools: get_marginal_ll(1000 samples)", "IWAE-1000"),
}
# Seeds are fixed. At these both averages of draws are this close.
APART = 0.3


@functools.cache
def readings(name):
    found = imported(name).main()
    pyro.clear_param_store()  # `pyro.module` fills it
    return found


def imported(name):
    if name in NEEDS:
        pytest.importorskip(NEEDS[name], reason="requirements/others.txt is not installed")
    return importlib.import_module(f"examples.other_libraries.{name}")


def test_every_example_is_listed():
    found = {file.stem for file in (ROOT / "examples/other_libraries").glob("*_pair.py")}
    assert found == set(ADAPTERS) == set(SAME)


@pytest.mark.verify
@pytest.mark.filterwarnings("ignore")  # of other libraries
@pytest.mark.parametrize("name", ADAPTERS)
def test_a_model_of_another_library_is_a_pair(name):
    module = imported(name)
    adapter = "".join(inspect.getsource(vars(module)[part]) for part in ADAPTERS[name])
    assert len([line for line in adapter.splitlines() if line.strip()]) <= 20
    found = readings(name)
    lower = [e for e in found.values() if isinstance(e, Estimate) and e.kind == "lower"]
    others = [e for e in found.values() if isinstance(e, Estimate) and e.kind != "lower"]
    assert len(lower) > 1
    for bound in lower:
        assert is_below(lower[0].per_datum, bound.per_datum)
        assert all(is_below(bound.per_datum, above.per_datum) for above in others)
    theirs, ours = (found[reading] for reading in SAME[name])
    mean = theirs if isinstance(theirs, float) else float(theirs.double().mean())
    assert abs(mean - ours.mean) < APART


@pytest.mark.verify
@pytest.mark.filterwarnings("ignore")
def test_pythae_reads_a_hundred_draws_where_one_is_asked_for():
    """And it returns log p(x), not minus that."""
    found = readings("pythae_pair")
    one = found["pythae: get_nll(n_samples=1)"]
    assert found["ELBO"].mean + 0.2 < one < found["log p(x)"].mean + 0.2

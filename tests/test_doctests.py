"""The examples in docstrings print what they say."""

import doctest
import importlib
from importlib.util import find_spec

import pytest

from experiment import load_run, train
from tests.conftest import ROOT

PACKAGES = (
    *("configs", "data", "evaluation", "evidence", "experiment", "guides", "inference", "models"),
    *("networks", "parallel", "report"),
)
WITH_EXAMPLES = sorted(
    ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for package in PACKAGES
    for file in (ROOT / package).rglob("*.py")
    if "    >>> " in (text := file.read_text()) or "\n>>> " in text
)


def test_there_are_examples_in_the_library_and_in_the_laboratory():
    assert len(WITH_EXAMPLES) > 20
    assert {"evidence", "evidence.lower", "experiment.hints"} <= set(WITH_EXAMPLES)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A folder with runs/demo, which examples load."""
    folder = tmp_path_factory.mktemp("examples")
    words = "train.epochs=1", "network.width=8", "data.limit=100", "device=cpu"
    train(*words, f"run_dir={folder}/runs/demo")
    return folder


@pytest.mark.parametrize("module", WITH_EXAMPLES)
def test_examples_print_what_they_say(module, runs, monkeypatch):
    monkeypatch.chdir(runs)
    if module == "report.mlflow" and not find_spec("mlflow"):
        pytest.skip("MLflow is not installed")
    found = doctest.testmod(
        importlib.import_module(module),
        extraglobs={"run": load_run("runs/demo")} if module == "experiment.run" else {},
        optionflags=doctest.ELLIPSIS | doctest.IGNORE_EXCEPTION_DETAIL,
    )
    assert found.failed == 0 and found.attempted > 0

"""Finished and measured runs for tests to spoil, made once in this process."""

import shutil
import sys

import pytest

import evaluate as evaluate_script
import train as train_script
from configs import cli

TINY = ("network.width=8", "train.epochs=2", "data.limit=60", "device=cpu", "train.compile=off")
# What evaluate.py needs a second for.
QUICK = ("--particles", "8", "--elbo-particles", "4", "--limit", "10", "--device", "cpu")


def made(run, *options):
    """Trains a run of two epochs; returns its path."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["train.py", *TINY, *options, f"run_dir={run}"])
        assert cli.run_command(train_script.main) == 0
    return run


@pytest.fixture(scope="session")
def good(tmp_path_factory):
    """A finished run that is measured. Tests take copies."""
    run = made(tmp_path_factory.mktemp("good") / "run")
    assert evaluate_script.main([str(run), *QUICK]) == 0
    return run


@pytest.fixture
def spoiled(good, tmp_path):
    """A copy of the finished run."""
    return shutil.copytree(good, tmp_path / "spoiled")

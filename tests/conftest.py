"""What every test starts from: validation on, a fixed seed, an empty parameter store, no leftovers between tests."""

import os
import subprocess
import sys
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch: the tests are small, and may share their cores

import pyro
import pytest
import torch

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(autouse=True)
def clean_slate():
    pyro.clear_param_store()
    pyro.set_rng_seed(0)
    with pyro.validation_enabled(True):
        yield
    assert not pyro.get_param_store().keys(), "a program of this project left parameters in Pyro's global store"


@pytest.fixture
def double():
    """Float64 as the default, for identities that hold to rounding."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


@pytest.fixture(scope="session")
def command():
    """Run one of the project's scripts as a user does; returns the finished process with its text."""

    def run(script: str, *arguments: str, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, str(ROOT / script), *map(str, arguments)],
            cwd=cwd or ROOT,
            env=os.environ | {"OMP_NUM_THREADS": "1"} | environment,
            capture_output=True,
            text=True,
            timeout=300,
        )

    return run


@pytest.fixture
def train(capsys, monkeypatch):
    """train.py in this process: `train("prior=foo")` returns (status, stdout, stderr)."""
    import train as script
    from configs import cli

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["train.py", *map(str, arguments)])
        capsys.readouterr()
        status = cli.run_command(script.main)
        out, err = capsys.readouterr()
        return status, out, err

    return run

"""What every test starts from: validation on, a fixed seed, an empty parameter store.

A test that leaves parameters in Pyro's global store fails.
"""

import contextlib
import io
import os
import subprocess
import sys
from pathlib import Path

os.environ.setdefault(
    "OMP_NUM_THREADS", "1"
)  # before torch: the tests are small, and may share their cores

import hypothesis
import pyro
import pytest
import torch
from jaxtyping import install_import_hook

import tests.typechecker  # noqa: F401 - the hook names it

# Every call checks the shapes that type hints state; nothing of these may be imported before this.
CHECKED = ("models", "guides", "networks", "evidence", "inference")
install_import_hook(CHECKED, "tests.typechecker.check")

# The same examples every time, however slow the machine.
hypothesis.settings.register_profile("here", deadline=None, derandomize=True)
hypothesis.settings.load_profile("here")

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(autouse=True)
def clean_slate():
    pyro.clear_param_store()
    pyro.set_rng_seed(0)
    torch.set_flush_denormal(False)  # train.py sets it, in what is a process of its own elsewhere
    with pyro.validation_enabled(True):
        yield
    assert not pyro.get_param_store().keys(), (
        "a program of this project left parameters in Pyro's global store"
    )


@pytest.fixture
def double():
    """Float64 as the default, for identities that hold to rounding."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


@pytest.fixture(scope="session")
def command():
    """Runs one of the project's scripts as a user does; returns the finished process."""

    def run(
        script: str, *arguments: str, cwd: Path | None = None, **environment: str
    ) -> subprocess.CompletedProcess[str]:
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


@pytest.fixture(scope="session")
def evaluate():
    """evaluate.py in this process: `evaluate(run, "--gap")` returns (status, stdout, stderr)."""
    import evaluate as script

    def run(*arguments: object) -> tuple[object, str, str]:
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                status: object = script.main([*map(str, arguments)])
            except SystemExit as stopped:  # the command line itself is wrong
                status = stopped.code
        return status, out.getvalue(), err.getvalue()

    return run


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """One browser for all pages of a module."""
    from tests.report.page.browser import open_browser  # beside the tests of pages

    driver = open_browser(tmp_path_factory.mktemp("profile"))
    yield driver
    driver.quit()


@pytest.fixture
def complaints():
    """What the open page's console has to say, as `complaints(driver)`."""

    def read(driver):
        return [
            entry["message"]
            for entry in driver.get_log("browser")
            if entry["level"] in ("SEVERE", "WARNING")
        ]

    return read

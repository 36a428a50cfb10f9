"""`pip install .` installs the package `evidence` alone, which works outside the checkout."""

import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile

import pytest

import evidence
from tests.conftest import ROOT

DEPENDENCIES = {"torch", "pyro-ppl", "numpy", "jaxtyping", "arviz-stats"}


def call(*words, **options):
    found = subprocess.run(words, capture_output=True, text=True, **options)
    assert found.returncode == 0, found.stdout + found.stderr
    return found.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    out = tmp_path_factory.mktemp("dist")
    call(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", out, ROOT)
    (found,) = out.glob("*.whl")
    return found


def test_the_wheel_holds_the_library_alone(wheel):
    assert wheel.name == f"pyro_evidence-{evidence.__version__}-py3-none-any.whl"
    assert wheel.stat().st_size < 1_000_000
    with zipfile.ZipFile(wheel) as file:
        names = set(file.namelist())
        (metadata,) = (n for n in names if n.endswith("/METADATA"))
        lines = file.read(metadata).decode().splitlines()
    tops = {name.split("/")[0] for name in names}
    assert tops == {"evidence", f"pyro_evidence-{evidence.__version__}.dist-info"}
    assert {"evidence/py.typed", "evidence/training/optimizer.py"} <= names
    assert any(name.endswith("/licenses/LICENSE") for name in names)
    needed = {
        line.split(" ")[1].split(">")[0] for line in lines if line.startswith("Requires-Dist")
    }
    assert needed == DEPENDENCIES
    assert f"## {evidence.__version__} " in (ROOT / "CHANGELOG.md").read_text()


def test_the_example_runs_in_another_environment(wheel, tmp_path):
    """The environment has the installed packages, the wheel, and no checkout."""
    call(sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv")
    python = tmp_path / "venv" / "bin" / "python"
    purelib = call(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip()
    call(sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "-q", wheel)
    (tmp_path / "elsewhere").mkdir()
    with open(f"{purelib}/installed.pth", "w") as file:
        file.write(sysconfig.get_path("purelib"))
    shutil.copy(ROOT / "examples" / "measure_your_own_pair.py", tmp_path / "elsewhere")
    # Without the path of the test run, which may name the checkout.
    outside = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    said = call(python, "measure_your_own_pair.py", cwd=tmp_path / "elsewhere", env=outside)
    assert "log p(x)" in said
    script = "import evidence; print(evidence.__file__)"
    where = call(python, "-c", script, cwd=tmp_path, env=outside)
    assert where.startswith(purelib)


def test_the_import_is_light():
    """Beside torch and Pyro it brings in what type hints need, and nothing that takes long."""
    script = (
        "import sys, torch, pyro; tops = lambda: {name.split('.')[0] for name in sys.modules}; "
        "before = tops(); import evidence; print(*(tops() - before))"
    )
    assert set(call(sys.executable, "-c", script, cwd=ROOT).split()) <= {"evidence", "jaxtyping"}

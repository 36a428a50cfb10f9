"""docs/extending.md, done: a component in a folder outside the repository."""

import re

import pytest

from errors import RequestError
from experiment.components import importable, locate
from experiment.request import Choice
from tests.components.factories import CONFIGS

ROOT = CONFIGS.parent


@pytest.fixture
def my_choices(tmp_path):
    """The two files of the page, as it prints them."""
    page = (ROOT / "docs" / "extending.md").read_text()
    folder = tmp_path / "my_choices"
    (folder / "prior").mkdir(parents=True)
    (folder / "mine.py").write_text(re.search(r"```python[^\n]*\n(.*?)```", page, re.DOTALL)[1])
    (folder / "prior" / "mine.yaml").write_text(
        re.search(r"```yaml[^\n]*\n(.*?)```", page, re.DOTALL)[1]
    )
    return folder


def test_a_prior_in_a_folder_of_ones_own(my_choices, tmp_path, command):
    """Runs the page's commands: train, an evaluation that is refused, and one that is trusted."""
    options = ["train.epochs=1", "data.limit=50", "network.width=8", "device=cpu", "run_dir=run"]
    done = command(
        "train.py",
        "--config-dir",
        "my_choices",
        "prior=mine",
        "prior.points=6",
        *options,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    few = ("run", "--particles", "10", "--elbo-particles", "2", "--limit", "20", "--device", "cpu")
    refused = command("evaluate.py", *few, cwd=tmp_path, PYTHONPATH="my_choices")
    assert refused.returncode == 2 and len(refused.stderr.splitlines()) == 1, refused.stderr
    assert all(word in refused.stderr for word in ("mine.Ring", "--config-dir DIR", "PYTHONPATH"))
    (tmp_path / "others").mkdir()
    elsewhere = command(
        "evaluate.py", *few, "--config-dir", "others", cwd=tmp_path, PYTHONPATH="my_choices"
    )
    assert elsewhere.returncode == 2 and "mine.Ring" in elsewhere.stderr, elsewhere.stderr
    named = command("evaluate.py", *few, "--config-dir", "my_choices", cwd=tmp_path)
    assert named.returncode == 0 and "log p(x)" in named.stdout, named.stderr
    lost = command("evaluate.py", *few, "--trust", cwd=tmp_path)
    assert lost.returncode == 2 and "--config-dir DIR" in lost.stderr and "mine" in lost.stderr
    assert "Traceback" not in lost.stderr
    trusted = command("evaluate.py", *few, "--trust", cwd=tmp_path, PYTHONPATH="my_choices")
    assert trusted.returncode == 0 and "log p(x)" in trusted.stdout, trusted.stderr


def test_a_trusted_folder_lends_its_trust_to_nothing_that_it_imports(tmp_path):
    (tmp_path / "lender_of_trust.py").write_text("from os import system\n\ndef own():\n    pass\n")
    folder = importable(tmp_path)
    assert locate("prior", Choice("mine", {}, "lender_of_trust.own"), folder).__name__ == "own"
    for target in ("lender_of_trust.system", "os.system", "shutil.rmtree", "__main__.own"):
        with pytest.raises(RequestError, match="prior"):
            locate("prior", Choice("mine", {}, target), folder)

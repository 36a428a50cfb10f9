"""docs/extending.md, done: a component in a folder outside the repository."""

import re
import subprocess
import sys

import pytest
from components.factories import CONFIGS

from errors import RequestError
from inference import load_run

ROOT = CONFIGS.parent


@pytest.fixture
def my_choices(tmp_path):
    """The two files of the page, as it prints them."""
    page = (ROOT / "docs" / "extending.md").read_text()
    folder = tmp_path / "my_choices"
    (folder / "prior").mkdir(parents=True)
    (folder / "mine.py").write_text(re.search(r"```python\n(.*?)```", page, re.DOTALL)[1])
    (folder / "prior" / "mine.yaml").write_text(re.search(r"```yaml\n(.*?)```", page, re.DOTALL)[1])
    return folder


def test_a_prior_in_a_folder_of_ones_own(my_choices, tmp_path, monkeypatch):
    command = [sys.executable, str(ROOT / "train.py"), "--config-dir", "my_choices", "prior=mine", "prior.points=6"]
    command += ["train.epochs=1", "data.limit=50", "network.width=8", "device=cpu", "run_dir=run"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    with pytest.raises(RequestError, match="--trust"):
        load_run(tmp_path / "run", device="cpu")
    monkeypatch.syspath_prepend(str(my_choices))
    assert load_run(tmp_path / "run", device="cpu", trust=True).model.prior.centres.shape == (6, 2)

"""examples/tutorial.py, as a reader runs it; with few epochs, as its text says less about them."""

import ast
import re

import pytest

from tests.conftest import ROOT

TUTORIAL = ROOT / "examples/tutorial.py"


@pytest.mark.verify  # half a minute; `make docs` runs the same cells
def test_it_says_what_its_cells_claim(command, tmp_path):
    environment = {"TUTORIAL_RUNS": str(tmp_path), "TUTORIAL_EPOCHS": "20", "MPLBACKEND": "Agg"}
    done = command("examples/tutorial.py", PYTHONPATH=str(ROOT), **environment)
    assert done.returncode == 0, done.stderr
    assert re.search(r"a mixture gains -?\d+\.\d\d ± 0\.\d\d nats", done.stdout)
    ladder = re.findall(r" (-?[\d.]+) ± [\d.]+  (lower|exact)$", done.stdout, re.MULTILINE)
    assert [kind for _, kind in ladder] == ["lower", "lower", "lower", "exact"]
    elbo, few, many, known = (float(value) for value, _ in ladder)
    assert elbo < few < many < known + 0.02
    lower, middle, upper = re.search(
        r"ELBO (\S+) ≤ AIS (\S+) ≤ log p\(x\) ≤ reverse AIS (\S+)", done.stdout
    ).groups()
    # Their noise is some tenths of a nat on two data.
    assert float(lower) < float(middle) + 0.5 < float(upper) + 1.0
    scores = [float(s) for s in re.findall(r"log p\(x\) = +(-?[\d.]+)", done.stdout)]
    assert scores[2] < min(scores[:2]) - 10
    assert (tmp_path / "look.png").stat().st_size > 1000


def test_it_is_made_of_cells_that_begin_with_words():
    """Each part has a cell of words, and each cell is whole Python."""
    cells = re.split(r"^# %%.*\n", TUTORIAL.read_text(), flags=re.MULTILINE)[1:]
    titles = re.findall(r'^"""# (.+)', TUTORIAL.read_text(), re.MULTILINE)
    parts = ["1. Train", "2. Look", "3. Swap", "4. Bracket", "5. Your own data", "And then"]
    assert titles == parts and len(cells) > 2 * len(titles) - 2
    assert all(ast.parse(cell) for cell in cells)

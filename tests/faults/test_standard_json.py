"""What is written is standard JSON: null, and never NaN or Infinity, however few data there are."""

import json
import math
import re
import shutil

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import compare
from evaluation.measured import Measured, shown
from experiment.files import standard, write_json
from experiment.metrics_file import append_records, read_records
from tests.faults.conftest import QUICK, made
from tests.made_runs import make_run

FAST = ("--impute", "left", "--impute-particles", 40, "--export", "latents,scores")
ANNEALED = ("--ais", 3, "--ais-limit", 3, "--chains", 2, "--calibration", "--simulations", 5)
GAP = ("--gap", "--gap-steps", 2)


def strict(text):
    """The value of standard JSON; Python's reader takes NaN and Infinity, too."""
    return json.loads(text, parse_constant=lambda word: pytest.fail(f"{word} in JSON"))


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=10,
)


@given(VALUES)
def test_every_number_that_json_has_no_word_for_is_null(value):
    def same(before, after):
        if isinstance(before, dict):
            assert list(before) == list(after)
            return all(map(same, before.values(), after.values()))
        if isinstance(before, list):
            return len(before) == len(after) and all(map(same, before, after))
        odd = isinstance(before, float) and not math.isfinite(before)
        return after is None if odd else type(after) is type(before) and after == before

    assert same(value, standard(value))
    strict(json.dumps(standard(value), allow_nan=False))


def test_files_with_nan_in_them(tmp_path):
    write_json(tmp_path / "a.json", {"nats": {"elbo": {"mean": -1.0, "se": math.nan}}})
    assert strict((tmp_path / "a.json").read_text())["nats"]["elbo"] == {"mean": -1.0, "se": None}
    record = {"epoch": 1, "split": "train", "elbo": -1.0, "reconstruction": -1.0, "kl": 0.0}
    append_records(tmp_path / "metrics.jsonl", [record | {"seconds": math.inf}])
    strict((tmp_path / "metrics.jsonl").read_text())
    assert read_records(tmp_path / "metrics.jsonl") == [record | {"seconds": None}]


COMBINATIONS = [
    ((), FAST),
    *(
        pytest.param(options, more, marks=pytest.mark.verify)
        for options, more in (
            (("latent_dim=5",), FAST + ANNEALED + GAP),
            (("latent_dim=1",), FAST + ANNEALED + GAP),
            (("model=conditional",), FAST + ANNEALED),
            (("model=gmvae",), FAST),
            (("model=hierarchical",), FAST),
            (("data=linear_gaussian", "likelihood=gaussian", "data.examples=40"), ANNEALED + GAP),
        )
    ),
]


@pytest.mark.parametrize(("options", "more"), COMBINATIONS)
@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_a_single_datum(options, more, evaluate, tmp_path):
    """Everything is measured of it but what needs two; no error of a mean is more than a dash."""
    run = made(tmp_path / "run", *options)
    status, out, error = evaluate(run, *QUICK, "--limit", 1, *more)
    said = [line for line in error.splitlines() if not line.endswith(" left")]  # of what takes long
    assert status == 0 and not said, error
    assert " – " in out and not re.search(r"\bnan\b", out)
    for file in run.glob("*.json"):
        strict(file.read_text())
    content = strict((run / "evaluation.json").read_text())
    assert content["data"]["num_examples"] == 1 and content["nats"]["elbo"]["se"] is None
    assert "active_units" not in content["diagnostics"]
    assert not (run / "figures" / "latent_space.png").exists()
    other = shutil.copytree(run, tmp_path / "other")
    text = (other / "config.yaml").read_text()
    (other / "config.yaml").write_text(text.replace("width: 8", "width: 9"))
    page = tmp_path / "page.html"
    assert compare.main([str(run), str(other), "--out", str(page)]) == 0


def test_runs_of_one_datum_are_compared(tmp_path, capsys):
    """There is a difference and no interval, in every format."""
    runs = []
    for i in range(2):
        run = make_run(tmp_path / f"{i}", np.arange(2.0) - i, latent_dim=i + 2)
        content = json.loads((run / "evaluation.json").read_text())
        content["data"]["num_examples"] = 1
        (run / "evaluation.json").write_text(json.dumps(content))
        np.savez(run / "evaluation.npz", elbo=np.array([-3.0 - i]), iwae=np.array([-2.0 - i]))
        runs.append(str(run))
    for form in ("text", "csv", "markdown", "latex"):
        assert compare.main([*runs, "--format", form, "--out", str(tmp_path / "page.html")]) == 0
        out, _ = capsys.readouterr()
        assert not re.search(r"\b(inf|nan)\b", out)
    assert "nan" not in re.sub(r"(?s)<script.*?</script>", "", (tmp_path / "page.html").read_text())


def test_an_error_that_there_is_none_of_is_a_dash():
    one = Measured.of(torch.tensor([-3.0]).double())
    assert str(one) == "-3.00 ± –"
    assert shown(float("inf"), 1) == "inf"  # a bound may be infinite: that is said

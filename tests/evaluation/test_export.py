"""evaluate.py --export: the arrays, and the lines of Python about them in docs/own-data.md."""

import re

import numpy as np
import pytest
from PIL import Image

from tests.conftest import ROOT


@pytest.fixture(scope="module")
def mine(command, tmp_path_factory):
    """The three commands of docs/own-data.md, shortened, on thirty images."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "pictures").mkdir()
    noise = np.random.default_rng(0)
    for number in range(30):
        Image.fromarray(noise.integers(0, 256, (9, 8, 3), dtype=np.uint8)).save(
            folder / "pictures" / f"{number}.png"
        )
    options = (
        "data=images",
        "data.path=pictures",
        "data.cache=cache",
        "data.size=6",
        "likelihood=discretized_logistic",
    )
    done = command(
        "train.py", *options, "train.epochs=2", "network.width=8", "run_dir=runs/mine", cwd=folder
    )
    assert done.returncode == 0, done.stderr
    what = "latents,scores,reconstructions,samples"
    done = command("evaluate.py", "runs/mine", "--export", what, "--particles", "50", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder


def test_every_array_has_a_row_a_datum(mine):
    expected = {
        "latents": {"z": (3, 2)},
        "scores": {"elbo": (3,), "iwae": (3,)},
        "reconstructions": {"x": (3, 3, 6, 6), "reconstruction": (3, 3, 6, 6)},
        "samples": {"samples": (3, 3, 6, 6), "means": (3, 3, 6, 6)},
    }
    for what, shapes in expected.items():
        with np.load(mine / f"runs/mine/export-{what}.npz", allow_pickle=False) as arrays:
            for name, shape in shapes.items():
                assert arrays[name].shape == shape and np.isfinite(arrays[name]).all()


def test_samples_are_draws_around_their_means(mine):
    """Levels of pixels are whole numbers, and their means are not."""
    with np.load(mine / "runs/mine/export-samples.npz") as arrays:
        samples, means = arrays["samples"], arrays["means"]
    assert (samples == samples.round()).all() and not (means == means.round()).all()
    assert abs(samples.mean() - means.mean()) < 5 * samples.std() / samples.size**0.5


def test_scores_are_those_of_the_evaluation(mine):
    with (
        np.load(mine / "runs/mine/export-scores.npz") as scores,
        np.load(mine / "runs/mine/evaluation.npz") as measured,
    ):
        np.testing.assert_array_equal(scores["iwae"], measured["iwae"])


@pytest.mark.parametrize(
    "code", re.findall(r"```python\n(.*?)```", (ROOT / "docs/own-data.md").read_text(), re.DOTALL)
)
def test_the_lines_of_the_documentation(mine, monkeypatch, capsys, code):
    monkeypatch.chdir(mine)
    exec(code, {})
    assert "tensor" in capsys.readouterr().out


def test_a_wrong_export_is_refused(evaluate):
    status, _, error = evaluate("run", "--export", "latents,weights")
    assert status == 2 and "'weights': choose from latents" in error

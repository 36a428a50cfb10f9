"""docs/extending.md, done: a component in a folder outside the repository."""

import re

import pytest
import torch

from errors import RequestError
from experiment import train
from experiment.components import importable, locate
from experiment.request import Choice
from tests.components.factories import CONFIGS

ROOT = CONFIGS.parent


@pytest.fixture
def my_choices(tmp_path):
    """The files of the page, as it prints them."""
    page = (ROOT / "docs" / "extending.md").read_text()
    for name, text in re.findall(
        r'^```\w+ title="(my_choices/[^"]*)"\n(.*?)```', page, re.M | re.S
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path / "my_choices"


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
    named = command("evaluate.py", *few, "--config-dir", "my_choices", cwd=tmp_path)
    assert named.returncode == 0 and "log p(x)" in named.stdout, named.stderr


@pytest.mark.verify
def test_what_else_lets_a_component_of_ones_own_run(my_choices, tmp_path, command):
    options = ["train.epochs=1", "data.limit=50", "network.width=8", "device=cpu"]
    train("prior=mine", f"run_dir={tmp_path}/run", *options, config_dir=my_choices)
    few = ("run", "--particles", "10", "--elbo-particles", "2", "--limit", "20", "--device", "cpu")
    (tmp_path / "others").mkdir()
    elsewhere = command(
        "evaluate.py", *few, "--config-dir", "others", cwd=tmp_path, PYTHONPATH="my_choices"
    )
    assert elsewhere.returncode == 2 and "mine.Ring" in elsewhere.stderr, elsewhere.stderr
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


def test_a_likelihood_without_a_mean(my_choices, tmp_path):
    """The page's likelihood: it starts at the data, and shows the average of what it draws."""
    options = ["train.epochs=1", "data.limit=50", "network.width=8", "device=cpu"]
    words = "likelihood=logit_normal", "likelihood.width=0.5", f"run_dir={tmp_path}/run"
    run = train(*words, *options, config_dir=my_choices)
    x = run.data("valid")[:20]
    assert run.dataset.space.name == "unit"
    start = run.model.likelihood.start(run.dataset.mean)[None]
    with pytest.raises(NotImplementedError):
        assert run.model.likelihood(start).mean is None
    drawn = run.model.likelihood(start).sample((2000,)).mean((0, 1))
    assert (drawn - run.dataset.mean).abs().max() < 0.03
    shown, one = run.reconstruct(x), run.sample(500, means=True, seed=0)
    assert ((shown > 0) & (shown < 1)).all() and one.std(0).mean() < run.sample(500).std(0).mean()
    mask = torch.zeros(8, 8, dtype=torch.bool)
    mask[:4] = True
    assert run.impute(x, mask, particles=20).mean.isfinite().all()
    with pytest.raises(RequestError, match=r"likelihood\.width=-1"):
        train("likelihood=logit_normal", "likelihood.width=-1", config_dir=my_choices)

"""evaluate.py --impute: what it writes, prints and refuses, for every kind of model."""

import json
from functools import partial

import numpy as np
import pytest
import torch

from errors import RequestError
from evaluation.masks import missing_mask
from evidence.batch import Batch
from evidence.imputation import impute
from experiment.build import build_pair
from tests.components.factories import config, dataset, prepared


@pytest.fixture(scope="module")
def digits(command, tmp_path_factory):
    run = tmp_path_factory.mktemp("impute") / "run"
    done = command(
        "train.py",
        f"run_dir={run}",
        "train.epochs=20",
        "network.width=32",
        "device=cpu",
        cwd=run.parent,
    )
    assert done.returncode == 0, done.stderr
    return run


@pytest.fixture
def imputed(digits, evaluate):
    """The command on 60 data: `imputed("--impute", "left")` returns (status, stdout, stderr)."""
    few = ("--particles", "50", "--limit", "60", "--impute-particles", "50")
    return partial(evaluate, digits, *few)


def jackknife(values, missing, function):
    """The standard error of function(Σ values / Σ missing) over data, each left out in turn."""
    totals, counts = (a.reshape(len(a), -1).sum(1).astype(float) for a in (values, missing))
    without = function((totals.sum() - totals) / (counts.sum() - counts))
    return np.sqrt((len(without) - 1) * without.var())


def test_the_error_is_that_of_the_arrays(digits, imputed):
    status, out, _ = imputed("--impute", "random:0.5")
    assert status == 0
    for words in ("E[x_mis|x_obs]", "training mean", "effective sample size"):
        assert words in out
    with np.load(digits / "imputations.npz", allow_pickle=False) as arrays:
        x, missing, mean, draw = (arrays[name] for name in ("x", "missing", "mean", "draw"))
        log_predictive = arrays["log_predictive"]
    content = json.loads((digits / "imputations.json").read_text())
    assert (
        x.shape == missing.shape == mean.shape == draw.shape == (60, 8, 8)
        and missing.dtype == np.bool_
    )
    assert np.array_equal(mean[~missing], x[~missing]) and np.array_equal(
        draw[~missing], x[~missing]
    )
    assert set(np.unique(draw)) <= {0.0, 1.0}
    errors = content["errors"]
    assert errors["imputed"]["rmse"]["value"] == pytest.approx(
        np.sqrt(((mean - x)[missing] ** 2).mean()), rel=1e-5
    )
    assert errors["imputed"]["nats_per_dimension"]["value"] == pytest.approx(
        -log_predictive[missing].mean(), rel=1e-5
    )
    # Under a Bernoulli, log p(x_d|x_obs) is that of the mean: both come from the same weights.
    np.testing.assert_allclose(
        np.exp(log_predictive)[missing], np.where(x > 0, mean, 1 - mean)[missing], rtol=1e-3
    )
    assert errors["imputed"]["rmse"]["value"] < errors["training_mean"]["rmse"]["value"]
    assert (
        errors["imputed"]["nats_per_dimension"]["value"]
        < errors["nothing_observed"]["nats_per_dimension"]["value"]
    )
    ratios = {"nats_per_dimension": -log_predictive, "rmse": (mean - x) ** 2}
    for name, values in ratios.items():
        error = jackknife(np.where(missing, values, 0), missing, np.sqrt if name == "rmse" else abs)
        assert errors["imputed"][name]["se"] == pytest.approx(error, rel=0.05)
    assert (digits / "figures/imputations.png").stat().st_size > 5000


def test_an_array_and_a_name_can_mean_the_same(tmp_path):
    mask = np.zeros((8, 8), dtype=bool)
    mask[4:] = True
    np.save(tmp_path / "one.npy", mask)
    np.save(tmp_path / "each.npy", np.repeat(mask[None], 250, axis=0))
    one, each, named = (
        missing_mask(text, (8, 8), 60)
        for text in (f"{tmp_path}/one.npy", f"{tmp_path}/each.npy", "bottom")
    )
    assert torch.equal(one, named) and torch.equal(each, named)


@pytest.mark.parametrize(
    ("mask", "words"),
    [
        ("half", ["--impute half", "random:SHARE", "True: missing"]),
        ("random:2", ["--impute random:2", "at most 1"]),
        ("random:x", ["--impute random:x", "above 0"]),
        ("/nowhere.npy", ["--impute /nowhere.npy", "no such file"]),
    ],
)
def test_wrong_masks_are_refused_before_anything_is_measured(imputed, mask, words):
    status, out, err = imputed("--impute", mask)
    assert status == 2 and not out and err.startswith("error: ") and err.count("\n") == 1
    assert all(word in err for word in words)


def test_too_few_particles_are_refused(imputed):
    status, out, err = imputed("--impute", "left", "--impute-particles", "16")
    assert status == 2 and not out and err == "error: --impute-particles 16: must be at least 17\n"


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((8, 8)), "dtype float64, expected bool"),
        (np.ones((8, 7), dtype=bool), r"shape \(8, 7\)"),
        (np.ones((5, 8, 8), dtype=bool), "N at least 60"),
        (np.zeros((8, 8), dtype=bool), "nothing is missing"),
    ],
)
def test_wrong_arrays_are_refused(tmp_path, array, words):
    np.save(tmp_path / "mask.npy", array)
    with pytest.raises(RequestError, match=words):
        missing_mask(str(tmp_path / "mask.npy"), (8, 8), 60)


def test_halves_and_shares():
    assert (
        missing_mask("top", (1, 4, 2), 3)[:, :, :2].all()
        and not missing_mask("top", (1, 4, 2), 3)[:, :, 2:].any()
    )
    assert missing_mask("right", (5,), 2).tolist() == [[False, False, True, True, True]] * 2
    assert torch.equal(
        missing_mask("random:0.3", (9,), 50, seed=1), missing_mask("random:0.3", (9,), 50, seed=1)
    )
    with pytest.raises(RequestError, match="the data are vectors"):
        missing_mask("bottom", (5,), 2)


@pytest.mark.parametrize(
    "choices",
    [
        {"model": "hierarchical"},
        {"model": "gmvae", "prior": ("mixture", {"components": 3})},
        {"model": "conditional"},
        {"likelihood": "discretized_logistic"},
        {"likelihood": "categorical"},
        {"likelihood": "poisson", "guide": "full_covariance"},
        {"likelihood": "beta", "guide": ("iaf", {"width": 8, "context": 6})},
        {"likelihood": ("gaussian", {"scale": "optimal"})},
    ],
    ids=lambda choices: "-".join(map(str, choices.values())),
)
def test_every_kind_of_model_can_impute(choices):
    likelihood = choices.get("likelihood", "bernoulli")
    spaces = {
        "bernoulli": "binary",
        "discretized_logistic": "bytes",
        "categorical": "bytes",
        "poisson": "counts",
    }
    data = dataset(spaces.get(likelihood if isinstance(likelihood, str) else likelihood[0], "unit"))
    data = prepared(data, choices.get("model", "vae"))
    model, guide = (part.eval() for part in build_pair(config(**choices), data))
    batch = data("test")[:6]
    x, missing = Batch.of(batch).x, torch.tensor([True, False])
    found = impute(model, guide, batch, missing, data.mean, 50)
    assert torch.equal(found.mean[:, 1], x[:, 1]) and found.mean.isfinite().all()
    assert found.log_predictive.isfinite().all()
    assert data.space.contains(found.draw).all() or model.likelihood.spaces == (
        "unit",
        "real",
    )  # a Gaussian reaches beyond 1
    assert (found.effective_size >= 1 - 1e-9).all() and (found.effective_size <= 50 + 1e-6).all()

"""evaluate.py: the contract of its files, the table, the figures, and numbers that mean what they say."""

import dataclasses
import json
import shutil
import sys

import matplotlib.image
import numpy as np
import pytest
import torch

import compare
import evaluate
from evaluation import measure as measuring
from evaluation.gap import Fit
from evidence import Annealing, Estimate
from evidence.estimate import Quadrature
from experiment import load_run
from report.comparison.reading import read_run
from report.table import evaluation_table

FIGURES = {"learning_curves", "identity", "reconstructions", "samples", "latent_space"}


FEW = measuring.Wanted(particles=4, elbo_particles=2, limit=10)


def trained(path, *options):
    import train as script
    from configs import cli

    before = sys.argv
    sys.argv = ["train.py", "network.width=16", "device=cpu", f"run_dir={path}", *options]
    try:
        assert cli.run_command(script.main) == 0
    finally:
        sys.argv = before
    return path


def evaluated(run, *options):
    assert evaluate.main([str(run), "--particles", "64", "--elbo-particles", "8", *options]) == 0
    with np.load(run / "evaluation.npz", allow_pickle=False) as arrays:
        return json.loads((run / "evaluation.json").read_text()), dict(arrays)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """A digits run with a 2-d latent, evaluated."""
    run = trained(tmp_path_factory.mktemp("pictures") / "run", "train.epochs=2", "data.limit=120")
    return run, *evaluated(run)


@pytest.fixture(scope="module")
def linear(tmp_path_factory):
    """A linear model on data whose law is known, evaluated."""
    run = trained(
        tmp_path_factory.mktemp("linear") / "run",
        "data=linear_gaussian", "likelihood=gaussian", "likelihood.scale=0.5", "network.layers=0", "latent_dim=3",
        "guide=full_covariance", "train.epochs=2", "data.examples=400",
    )  # fmt: skip
    return run, *evaluated(run)


def test_the_file_has_what_the_contract_says(pictures):
    _, content, arrays = pictures
    assert content["data"]["name"] == "digits" and content["data"]["split"] == "test"
    assert content["data"]["space"] == "binary" and content["data"]["num_examples"] == 120
    nats = content["nats"]
    for name in ("elbo", "reconstruction", "kl", "iwae"):
        assert (
            set(nats[name]) >= {"mean", "se"}
            and arrays[name].dtype == np.float64
            and arrays[name].shape == (120,)
        )
        assert nats[name]["mean"] == pytest.approx(arrays[name].mean())
        assert nats[name]["se"] == pytest.approx(arrays[name].std(ddof=1) / 120**0.5)
    assert (
        nats["iwae"]["particles"] == 64 and nats["elbo"]["kind"] == nats["iwae"]["kind"] == "lower"
    )
    assert np.allclose(arrays["elbo"], arrays["reconstruction"] - arrays["kl"])
    assert {"bits_per_dim", "diagnostics"} <= set(content)


def test_bits_per_dimension_of_binary_data(pictures):
    _, content, _ = pictures
    best = content["nats"][content["bits_per_dim"]["from"]]
    assert content["bits_per_dim"]["mean"] == pytest.approx(-best["mean"] / 64 / np.log(2))


def test_bits_per_dimension_undo_the_dequantisation(tmp_path):
    """x = (v + u)/17: one nat of density per dimension is worth log 17 more as mass of v."""
    run = trained(
        tmp_path / "run", "likelihood=gaussian", "train.epochs=1", "data.limit=50", "latent_dim=5"
    )
    content, _ = evaluated(run)
    density = content["nats"][content["bits_per_dim"]["from"]]["mean"]
    assert content["data"]["space"] == "unit"
    assert content["bits_per_dim"]["mean"] == pytest.approx(np.log2(17) - density / 64 / np.log(2))


@pytest.mark.parametrize("which", ["pictures", "linear"])
def test_figures_are_drawn(which, request):
    run, _, _ = request.getfixturevalue(which)
    names = {file.stem for file in (run / "figures").glob("*.png")}
    assert names >= FIGURES | ({"manifold"} if which == "pictures" else set())
    for file in (run / "figures").glob("*.png"):
        image = matplotlib.image.imread(file)
        assert min(image.shape[:2]) > 150 and image[..., :3].std() > 0.02, f"{file.name} is blank"


def test_the_exact_evidence_of_a_linear_model(linear):
    """Closed form against the trained weights put into the marginal by hand, and the order of the bounds."""
    run, content, arrays = linear
    loaded = load_run(run)
    weight, bias = (
        loaded.model.decoder.output.weight.double(),
        loaded.model.decoder.output.bias.double(),
    )
    marginal = torch.distributions.MultivariateNormal(
        bias, weight @ weight.T + 0.25 * torch.eye(10, dtype=torch.float64)
    )
    by_hand = marginal.log_prob(loaded.data("test")[:].double()).detach().numpy()
    assert np.allclose(arrays["exact"], by_hand, atol=1e-6)
    assert content["nats"]["exact"]["kind"] == "exact"
    assert arrays["exact"].mean() > arrays["elbo"].mean()
    assert content["nats"]["gap"]["mean"] == pytest.approx(
        (arrays["exact"] - arrays["elbo"]).mean()
    )


def test_the_upper_bound_of_a_linear_model(linear):
    """Where p(z|x) can be drawn from, log p(x) is held from both sides on the data themselves."""
    _, content, arrays = linear
    assert content["nats"]["upper"]["kind"] == "upper"
    difference = arrays["upper"] - arrays["exact"]
    assert (
        difference.mean() > -4.8 * difference.std(ddof=1) / len(difference) ** 0.5
    )  # one-sided, α = 1e-6


@pytest.fixture(scope="module")
def bracketed(pictures, tmp_path_factory):
    """The same run with all that takes longer, on few data."""
    run = tmp_path_factory.mktemp("bracketed") / "run"
    shutil.copytree(pictures[0], run)
    long = (
        "--ais",
        "8",
        "--chains",
        "4",
        "--ais-limit",
        "20",
        "--gap",
        "--gap-limit",
        "15",
        "--gap-steps",
        "20",
    )
    return run, *evaluated(run, *long, "--calibration", "--simulations", "150")


def test_annealing_is_reported_with_its_count_and_paired(bracketed):
    _, content, arrays = bracketed
    ais = content["nats"]["ais"]
    assert (
        ais["kind"] == "lower"
        and ais["num_examples"] == 20
        and ais["particles"] == 4
        and ais["temperatures"] == 8
    )
    assert ais["mean"] == pytest.approx(arrays["ais"].mean()) and len(arrays["ais"]) == 20
    difference = arrays["ais"] - arrays["iwae"][:20]
    assert ais["above_iwae"] == pytest.approx(
        {"mean": difference.mean(), "se": difference.std(ddof=1) / 20**0.5, "num_examples": 20}
    )
    simulated = content["diagnostics"]["simulated"]
    assert simulated["reverse_ais"]["kind"] == "upper" and simulated["gap"]["num_examples"] == 20
    assert simulated["gap"]["mean"] == pytest.approx(
        simulated["reverse_ais"]["mean"] - simulated["ais"]["mean"]
    )
    assert content["bits_per_dim"]["from"] == "exact", (
        "annealing of 20 of 120 data is no bound on their bits"
    )


def test_the_gap_is_split_on_both_splits(bracketed):
    _, content, arrays = bracketed
    parts = content["diagnostics"]["gap"]
    assert set(parts) == {"test", "train"} and all(
        part["from"] == "exact" for part in parts.values()
    )
    for name in ("approximation", "amortization"):
        assert content["nats"][f"{name}_gap"] == parts["test"][name] | {"from": "exact"}
        assert parts["train"][name]["num_examples"] == 15
    whole = parts["test"]["approximation"]["mean"] + parts["test"]["amortization"]["mean"]
    assert whole == pytest.approx((arrays["exact"] - arrays["elbo"])[:15].mean(), abs=0.5)
    assert set(parts["test"]["richer"]) == {"gain", "converged"}


def test_calibration_and_rate_distortion_are_reported(bracketed):
    _, content, _ = bracketed
    ranks = content["diagnostics"]["calibration"]
    assert (
        ranks["simulations"] == 150
        and len(ranks["departures"]) == 2
        and 0 <= ranks["joint_departure"] <= 1
    )
    point = content["diagnostics"]["rate_distortion"]
    assert -point["rate"] - point["distortion"] == pytest.approx(content["nats"]["elbo"]["mean"])
    nats = content["nats"]
    assert (
        point["rate_se"] == nats["kl"]["se"]
        and point["distortion_se"] == nats["reconstruction"]["se"]
    )
    assert point["num_examples"] == 120 and point["particles"] == 8


def test_sentences_carry_errors_counts_and_sides(pictures):
    """Every number of the gap's and of rate and distortion, as evaluation.json has it."""
    found = measuring.evaluate(
        load_run(pictures[0]), dataclasses.replace(FEW, gap=6, fit=Fit(steps=2, measured=20))
    )
    said = {part.explain() for part in found.diagnostics.parts}
    (gap,) = [sentence for sentence in said if sentence.startswith("The gap")]
    parts = found.as_json()["diagnostics"]["gap"]
    for name, split in parts.items():
        family, encoder = (
            f"{split[part]['mean']:.2f} ± {split[part]['se']:.2f}"
            for part in ("approximation", "amortization")
        )
        assert f"on 6 {name} data {family} nats are the family's and {encoder} the encoder's" in gap
    assert "log p(x) exact; ELBOs of 20 draws" in gap
    (rate,) = [sentence for sentence in said if sentence.startswith("Rate")]
    kl, reconstruction = found.as_json()["nats"]["kl"], found.as_json()["nats"]["reconstruction"]
    assert (
        f"Rate {kl['mean']:.2f} ± {kl['se']:.2f}, distortion {-reconstruction['mean']:.2f} ± {reconstruction['se']:.2f}"
        in rate
    )
    assert "10 data, 2 draws each" in rate and "an upper bound on −log p(x)" in rate


def test_everything_measured_has_a_figure_and_a_sentence(bracketed, capsys):
    run, content, _ = bracketed
    assert {"bracket", "gap", "calibration", "rate_distortion"} <= {
        file.stem for file in (run / "figures").glob("*.png")
    }
    assert content["notes"] == []


def test_a_guide_without_an_encoder_is_refused_before_any_work(tmp_path, capsys):
    run = trained(tmp_path / "run", "model=hierarchical", "train.epochs=1", "data.limit=50")
    assert evaluate.main([str(run), "--gap"]) == 2
    assert "error: --gap: the guide BottomUp cannot be split" in capsys.readouterr().err
    assert not (run / "evaluation.json").exists()


def test_an_integral_that_fits_no_box_is_a_note(pictures, monkeypatch):
    def fails(*_):
        raise ArithmeticError("p(x) has a share of 1e-2 beyond the box")

    monkeypatch.setattr(measuring, "exact", fails)
    found = measuring.evaluate(load_run(pictures[0]), FEW)
    assert found.bounds.exact is None and found.tightest == "iwae"
    assert "! no exact log p(x): the integral fits no box" in evaluation_table(found)
    assert found.as_json()["notes"] == found.notes


def test_a_gap_that_cannot_be_split_is_a_note_and_the_rest_is_kept(pictures, monkeypatch):
    """On training data alone, as when one of them breaks the encoder; then on none."""
    wanted, run = dataclasses.replace(FEW, gap=5, fit=Fit(steps=2)), load_run(pictures[0])
    split = measuring.split

    def breaks_on_training_data(model, guide, x, log_p, source, fit):
        return split(
            model, guide, x, log_p if torch.equal(x, run.data("test")[:5]) else broken, source, fit
        )

    broken = Estimate(torch.full((5,), -torch.inf, dtype=torch.float64), "lower")
    monkeypatch.setattr(measuring, "split", breaks_on_training_data)
    found = measuring.evaluate(run, wanted)
    assert found.notes == [
        "the gap on train data is not split: log p(x) of 5 of 5 data is not finite"
    ]
    assert (
        set(found.as_json()["diagnostics"]["gap"]) == {"test"}
        and "approximation_gap" in found.as_json()["nats"]
    )
    monkeypatch.setattr(measuring, "split", lambda *of: split(*of[:3], broken, *of[4:]))
    found = measuring.evaluate(run, wanted)
    assert len(found.notes) == 2 and "gap" not in found.as_json()["diagnostics"]
    assert (
        "! the gap on test data is not split" in evaluation_table(found)
        and "iwae" in found.as_json()["nats"]
    )


def test_data_beyond_the_tolerance_are_counted(pictures, monkeypatch):
    details = Quadrature(1e-3, error=0.01, largest_error=0.02, exceeding=3, outside=0.0)
    known = Estimate(torch.zeros(10, dtype=torch.float64), "exact", details=details)
    monkeypatch.setattr(measuring, "exact", lambda *_: known)
    found = measuring.evaluate(load_run(pictures[0]), FEW)
    assert "! log p(x) of 3 of 10 data is not within 0.001 nats" in evaluation_table(found)


def test_the_same_seed_gives_the_same_numbers(pictures):
    run, content, arrays = pictures
    before = dict(arrays)
    again, arrays = evaluated(run)
    assert again == content and all(np.array_equal(before[name], arrays[name]) for name in before)
    other, _ = evaluated(run, "--seed", "1")
    assert other["nats"]["elbo"]["mean"] != content["nats"]["elbo"]["mean"]


def test_limit_and_split(pictures, capsys):
    run, _, arrays = pictures
    elbo = arrays["elbo"]
    part, arrays = evaluated(run, "--limit", "30")
    assert part["data"]["num_examples"] == 30 and len(arrays["elbo"]) == 30
    assert np.abs(arrays["elbo"] - elbo[:30]).max() < 5, "the first 30 of the same data"
    evaluated(run)


def test_another_split_leaves_what_the_test_split_has(pictures, tmp_path, capsys):
    """Every file of it has its own name; compare.py is told which, and says what is missing."""
    run, few = tmp_path / "run", ("--particles", "8", "--elbo-particles", "4", "--limit", "20")
    shutil.copytree(pictures[0], run)
    before = {file: file.read_bytes() for file in run.rglob("*") if file.is_file()}
    assert compare.main([str(run), "--split", "train"]) == 2
    assert (
        "no evaluation_train.json); first: python evaluate.py" in (said := capsys.readouterr().err)
        and "--split train" in said
    )
    assert (
        evaluate.main(
            [str(run), "--split", "train", *few, "--export", "scores", "--impute", "left"]
        )
        == 0
    )
    assert all(file.read_bytes() == content for file, content in before.items())
    new = {
        str(file.relative_to(run))
        for file in run.rglob("*")
        if file.is_file() and file not in before
    }
    assert new >= {
        "evaluation_train.json",
        "evaluation_train.npz",
        "report_train.html",
        "export-scores_train.npz",
    }
    assert new >= {
        "imputations_train.npz",
        "imputations_train.json",
        "figures_train/imputations.png",
        "figures_train/samples.png",
    }
    assert all("_train" in name for name in new)
    assert json.loads((run / "evaluation_train.json").read_text())["data"]["split"] == "train"
    assert "evaluation_train.json and .npz" in capsys.readouterr().out
    assert compare.main([str(run), "--split", "train"]) == 0
    assert "train split" in capsys.readouterr().out
    assert (
        read_run(run, "train").figure("samples") == (run / "figures_train/samples.png").read_bytes()
    )

    for file in run.glob("evaluation*"):
        file.unlink()
    assert (
        evaluate.main([str(run), "--split", "valid", *few]) == 0
    )  # a run of which only that is measured
    assert json.loads((run / "evaluation.json").read_text())["data"]["split"] == "valid"
    capsys.readouterr()
    assert compare.main([str(run)]) == 0 and "valid split" in capsys.readouterr().out
    assert (
        evaluate.main([str(run), *few]) == 0
        and evaluate.main([str(run), "--split", "valid", *few]) == 0
    )
    assert json.loads((run / "evaluation.json").read_text())["data"]["split"] == "test"


def test_the_table_names_sides_and_errors(pictures, capsys):
    run, content, _ = pictures
    evaluated(run)
    table = capsys.readouterr().out
    for words in (
        "s.e.",
        "reconstruction",
        "rate",
        "= ELBO",
        "IWAE-64",
        "lower bound",
        "bits per dimension",
        "120 examples",
    ):
        assert words in table
    assert f"{content['nats']['elbo']['mean']:.3f}" in table


def test_evaluation_leaves_the_weights_alone(pictures):
    run, _, _ = pictures
    before = {file.name: file.read_bytes() for file in run.glob("checkpoint-*.pt")}
    evaluated(run)
    assert before == {file.name: file.read_bytes() for file in run.glob("checkpoint-*.pt")}


def test_one_bad_run_does_not_stop_the_others(pictures, tmp_path, capsys):
    run, _, _ = pictures
    (run / "evaluation.json").unlink()
    assert (
        evaluate.main([str(tmp_path), str(run), "--particles", "4", "--elbo-particles", "2"]) == 2
    )
    assert (run / "evaluation.json").exists()
    evaluated(run)


def test_long_measurements_are_compiled(monkeypatch):
    monkeypatch.setattr(measuring, "has_compiler", lambda: True)
    assert not measuring.Wanted(particles=500).compiles(10_000) and measuring.Wanted(
        particles=5000
    ).compiles(10_000)
    assert measuring.Wanted(particles=100, annealing=Annealing(1000)).compiles(100)
    assert measuring.Wanted(particles=1, compile="on").compiles(1) and not measuring.Wanted(
        compile="off"
    ).compiles(10**9)
    monkeypatch.setattr(measuring, "has_compiler", lambda: False)
    assert not measuring.Wanted(particles=5000).compiles(10_000)

"""evaluate.py: its files as the contract has them, its table and figures, and its numbers."""

import dataclasses
import json
import shutil

import matplotlib.image
import numpy as np
import pytest
import torch

import compare
import evaluate
from evaluation import measure as measuring
from evaluation.files import save_evaluation
from evaluation.local_fit import Fit
from evaluation.plain import evaluation_json
from evidence import Annealing, Coupling, Estimate, UnsupportedPair, elbo, exact
from evidence.estimate import Quadrature
from experiment import load_run
from report.comparison.reading import read_run
from report.explain import remarks
from report.table import evaluation_table, identity_groups

FIGURES = {"learning_curves", "identity", "reconstructions", "samples", "latent_space"}
SMALL = ("network.width=16", "device=cpu")
MINIMAL = ("--particles", "8", "--elbo-particles", "4", "--limit", "20")
FEW = measuring.Wanted(particles=4, elbo_particles=2, limit=10)


@pytest.fixture(scope="module")
def trained(command):
    """Train a small run as a user does: `trained(path, "latent_dim=5")` returns its path."""

    def train(path, *options):
        done = command("train.py", *SMALL, f"run_dir={path}", *options)
        assert done.returncode == 0, done.stderr
        return path

    return train


@pytest.fixture(scope="module")
def evaluated(evaluate):
    """Evaluate a run by few particles: `evaluated(run)` returns evaluation.json and the arrays."""

    def measure(run, *options):
        status, _, error = evaluate(run, "--particles", 64, "--elbo-particles", 8, *options)
        assert status == 0, error
        return written(run)

    return measure


def written(run):
    with np.load(run / "evaluation.npz", allow_pickle=False) as arrays:
        return json.loads((run / "evaluation.json").read_text()), dict(arrays)


@pytest.fixture(scope="module")
def pictures(trained, evaluated, tmp_path_factory):
    """A digits run with a 2-d latent, evaluated."""
    run = trained(tmp_path_factory.mktemp("pictures") / "run", "train.epochs=2", "data.limit=120")
    return run, *evaluated(run)


@pytest.fixture(scope="module")
def linear(trained, evaluated, tmp_path_factory):
    """A linear model on data whose law is known, evaluated."""
    run = trained(
        tmp_path_factory.mktemp("linear") / "run",
        "data=linear_gaussian",
        "data.examples=400",
        "likelihood=gaussian",
        "likelihood.scale=0.5",
        "guide=full_covariance",
        "network.layers=0",
        "latent_dim=3",
        "train.epochs=2",
    )
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


def test_bits_per_dimension_undo_the_dequantization(trained, evaluated, tmp_path):
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
    """It is that of the marginal with the trained weights, and the ELBO is below it."""
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
    """It is that of 8 weights of which one is of an exact draw, by the formulas of p(z|x)."""
    run, content, arrays = linear
    loaded = load_run(run)
    x = loaded.data("test")[:]
    decoder = loaded.model.decoder.output
    weight, bias = decoder.weight.detach().double(), decoder.bias.detach().double()
    covariance = torch.linalg.inv(torch.eye(3).double() + weight.T @ weight / 0.25)
    normal, likelihood = torch.distributions.Normal(0.0, 1.0), torch.distributions.Normal
    posterior = torch.distributions.MultivariateNormal(
        (x.double() - bias) @ weight @ covariance / 0.25, covariance
    )
    with torch.no_grad():
        q = loaded.guide.posterior(x)
        torch.manual_seed(7)
        z = torch.cat([posterior.sample((1, 50)).float(), q.sample((7, 50))])  # fifty times
        log_joint = likelihood(z.double() @ weight.T + bias, 0.5).log_prob(x.double()).sum(-1)
        log_w = log_joint + normal.log_prob(z.double()).sum(-1) - q.log_prob(z).double()
    reference = (log_w.logsumexp(0) - np.log(8)).mean(0).numpy()
    assert content["nats"]["upper"]["kind"] == "upper"
    for values, below in ((arrays["upper"], arrays["exact"]), (arrays["upper"], reference)):
        difference = values - below
        error = difference.std(ddof=1) / len(difference) ** 0.5
        assert difference.mean() > -4.8 * error  # one-sided, α = 1e-6
    assert difference.mean() < 4.8 * error, "no looser than 8 weights are"


@pytest.fixture(scope="module")
def bracketed(pictures, evaluated, tmp_path_factory):
    """The same run with all that takes longer, on few data."""
    run = tmp_path_factory.mktemp("bracketed") / "run"
    shutil.copytree(pictures[0], run)
    long = "--ais 8 --chains 4 --ais-limit 20 --gap --gap-limit 15 --gap-steps 20"
    many = ("--elbo-particles", "400")
    return run, *evaluated(run, *many, *long.split(), "--calibration", "--simulations", "150")


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


def test_real_data_are_bounded_from_above_as_well(bracketed):
    """By coupled chains, paired with AIS; the exact value, known here, is within both."""
    run, content, arrays = bracketed
    above = content["nats"]["reverse_ais"]
    assert above["kind"] == "upper" and above["num_examples"] == 20 and above["never_met"] == 0
    assert above["of"]["temperatures"] == 8
    difference = arrays["reverse_ais"] - arrays["ais"]
    assert above["above_ais"]["mean"] == pytest.approx(difference.mean())
    for side, name in ((1, "reverse_ais"), (-1, "ais")):
        distance = side * (arrays[name] - arrays["exact"][:20])
        assert distance.mean() > -4.9 * distance.std(ddof=1) / 20**0.5
    assert "reverse_ais" in read_run(run).nats


def test_chains_that_have_not_met_give_no_number(pictures, monkeypatch, tmp_path):
    """The mean is null in the file, the table counts them, and a comparison reads the rest."""
    run, plan = load_run(pictures[0]), Annealing(2, 2, 2)
    short = Coupling(leapfrogs=1, most_steps=1, lag=1, burn_in=1)
    monkeypatch.setattr("evidence.coupling.Coupling", lambda: short)
    found = measuring.evaluate(run, dataclasses.replace(FEW, annealing=plan, annealed=3))
    assert found.bounds.reverse_ais.details.never_met == 3
    assert "those of 3 of 3 data have not met" in " ".join(evaluation_table(found).split())
    path = shutil.copytree(run.path, tmp_path / "run")
    save_evaluation(found, path)
    content = json.loads((path / "evaluation.json").read_text())
    assert content["nats"]["reverse_ais"]["mean"] is None
    assert "reverse_ais" not in read_run(path).nats


def test_the_gap_is_split_on_both_splits(bracketed):
    _, content, arrays = bracketed
    parts = content["diagnostics"]["gap"]
    assert set(parts) == {"test", "train"} and all(
        part["from"] == "exact" for part in parts.values()
    )
    for name in ("approximation", "amortization"):
        assert content["nats"][f"{name}_gap"] == parts["test"][name] | {"from": "exact"}
        assert parts["train"][name]["num_examples"] == 15
    loaded = load_run(bracketed[0])
    train = loaded.data("train")[:15]
    torch.manual_seed(1)
    on_train = exact(loaded.model, loaded.guide, train).per_datum
    on_train = on_train - elbo(loaded.model, loaded.guide, train, 400).per_datum
    whole = {"test": (arrays["exact"] - arrays["elbo"])[:15].mean(), "train": on_train.mean()}
    # Each side averages at least 200 × 15 log weights, whose standard deviation is below 2.
    for split, expected in whole.items():
        found = sum(parts[split][name]["mean"] for name in ("approximation", "amortization"))
        assert found == pytest.approx(float(expected), abs=4.8 * 2 * (1 / 3000 + 1 / 6000) ** 0.5)
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
    assert point["num_examples"] == 120 and point["particles"] == 400


def test_sentences_carry_errors_counts_and_sides(pictures):
    """The sentence on the gap says what evaluation.json has."""
    found = measuring.evaluate(
        load_run(pictures[0]), dataclasses.replace(FEW, gap=6, fit=Fit(steps=2, measured=20))
    )
    said, content = [note.text for note in remarks(found)], evaluation_json(found)
    (gap,) = [sentence for sentence in said if sentence.startswith("The gap")]
    for name, parts in content["diagnostics"]["gap"].items():
        family, encoder = (
            f"{parts[part]['mean']:.2f} ± {parts[part]['se']:.2f}"
            for part in ("approximation", "amortization")
        )
        assert f"on 6 {name} data {family} nats are the family's and {encoder} the encoder's" in gap
    assert "log p(x) exact; ELBOs of 20 draws" in gap


def test_what_was_measured_on_the_same_data_stands_together(pictures):
    """A mean over other data says how hard they are: its row stands under their number."""
    plan = Annealing(4, 2)
    found = measuring.evaluate(
        load_run(pictures[0]), dataclasses.replace(FEW, annealing=plan, annealed=3)
    )
    everything, few = identity_groups(found)
    assert (everything.data, few.data) == ("all 10 data", "the first 3 of them")
    for group, count in ((everything, 10), (few, 3)):
        assert {row.value.num_examples for row in group.rows} == {count}
    assert [row.name.strip() for row in few.rows] == [
        "IWAE-4",
        "AIS-4",
        "above IWAE-4",
        "reverse AIS-4",
        "above AIS",
        "log p(x)",
    ]
    iwae, ais, above, *_ = (row.value.mean for row in few.rows)
    assert iwae == float(found.bounds.iwae.per_datum[:3].mean())
    assert above == pytest.approx(ais - iwae)
    assert "\n  the first 3 of them\n" in evaluation_table(found)


def test_everything_measured_has_a_figure(bracketed):
    run, content, _ = bracketed
    assert {"bracket", "gap", "calibration", "rate_distortion"} <= {
        file.stem for file in (run / "figures").glob("*.png")
    }
    assert content["notes"] == []


def test_a_guide_without_an_encoder_is_refused_before_any_work(trained, evaluate, tmp_path):
    run = trained(tmp_path / "run", "model=hierarchical", "train.epochs=1", "data.limit=50")
    status, _, error = evaluate(run, "--gap")
    assert status == 2 and "error: --gap: the guide BottomUp has no encoder" in error
    assert not (run / "evaluation.json").exists()


def test_an_integral_that_fits_no_box_is_a_note(pictures, monkeypatch):
    def fails(*_):
        raise ArithmeticError("p(x) has a share of 1e-2 beyond the box")

    monkeypatch.setattr(measuring, "integral", fails)
    found = measuring.evaluate(load_run(pictures[0]), FEW)
    assert found.bounds.exact is None and found.tightest == "iwae"
    assert "\n  no exact log p(x): the integral fits no box" in evaluation_table(found)
    assert evaluation_json(found)["notes"] == [note.text for note in found.notes]


@pytest.mark.parametrize("broken", [{"train"}, {"test", "train"}])
def test_a_gap_without_parts_is_a_note_and_the_rest_is_kept(pictures, monkeypatch, broken):
    """As when a datum breaks the encoder: of the training data alone, then of both splits."""
    wanted, run = dataclasses.replace(FEW, gap=5, fit=Fit(steps=2)), load_run(pictures[0])
    of_test, right = run.data("test")[:5], measuring.gap_parts

    def breaks(fits, guide, log_p, richer):
        split = "test" if torch.equal(fits.x, of_test) else "train"
        if split in broken:
            log_p = Estimate(torch.full((5,), -torch.inf, dtype=torch.float64), "lower")
        return right(fits, guide, log_p, richer)

    monkeypatch.setattr(measuring, "gap_parts", breaks)
    found = measuring.evaluate(run, wanted)
    content = evaluation_json(found)
    said = [note.text for note in found.notes]
    assert said == [
        f"the gap on {split} data has no parts: log p(x) of 5 of 5 data is not finite"
        for split in sorted(broken)
    ]
    assert f"! {said[0]}" in evaluation_table(found) and "iwae" in content["nats"]
    assert set(content["diagnostics"].get("gap", {})) == {"test", "train"} - broken
    assert ("approximation_gap" in content["nats"]) == ("test" not in broken)


def test_data_beyond_the_tolerance_are_counted(pictures, monkeypatch):
    details = Quadrature(1e-3, error=0.001, largest_error=0.02, exceeding=3, outside=0.0)
    known = Estimate(torch.zeros(10, dtype=torch.float64), "exact", details=details)
    monkeypatch.setattr(measuring, "integral", lambda *_: known)
    found = measuring.evaluate(load_run(pictures[0]), FEW)
    assert "! log p(x) of 3 of 10 data is not within 0.001 nats" in evaluation_table(found)


def test_the_same_seed_gives_the_same_numbers(pictures, evaluated):
    run, content, arrays = pictures
    again, found = evaluated(run)
    assert again == content and all(np.array_equal(arrays[name], found[name]) for name in arrays)
    other, _ = evaluated(run, "--seed", "1")
    assert other["nats"]["elbo"]["mean"] != content["nats"]["elbo"]["mean"]


def test_limit_and_split(pictures, evaluated):
    run, _, arrays = pictures
    part, found = evaluated(run, "--limit", "30")
    assert part["data"]["num_examples"] == 30 and len(found["elbo"]) == 30
    # log p(x) is integrated: no noise hides which data were measured.
    assert np.abs(found["exact"] - arrays["exact"][:30]).max() < 3e-3
    apart = np.abs(found["exact"][:, None] - arrays["exact"][:30]) + 9 * np.eye(30)
    assert np.median(apart.min(1)) > 1e-2
    evaluated(run)


def copy_of(run, folder):
    shutil.copytree(run, folder / "run")
    return folder / "run"


def test_another_split_leaves_what_the_test_split_has(pictures, evaluate, tmp_path, capsys):
    """Every file of it has its own name; compare.py is told which, and says what is missing."""
    run = copy_of(pictures[0], tmp_path)
    before = {file: file.read_bytes() for file in run.rglob("*") if file.is_file()}
    assert compare.main([str(run), "--split", "train"]) == 2
    said = capsys.readouterr().err
    assert "no evaluation_train.json); first: python evaluate.py" in said
    assert "--split train" in said

    wanted = ("--split", "train", "--export", "scores", "--impute", "left")
    status, out, error = evaluate(run, *wanted, *MINIMAL)
    assert status == 0, error
    assert "evaluation_train.json and .npz" in out
    assert all(file.read_bytes() == content for file, content in before.items())
    files = {file for file in run.rglob("*") if file.is_file()} - set(before)
    new = {str(file.relative_to(run)) for file in files}
    assert all("_train" in name for name in new)
    assert new >= {
        "evaluation_train.json",
        "evaluation_train.npz",
        "report_train.html",
        "export-scores_train.npz",
        "imputations_train.npz",
        "imputations_train.json",
        "figures_train/imputations.png",
        "figures_train/samples.png",
    }
    assert json.loads((run / "evaluation_train.json").read_text())["data"]["split"] == "train"
    assert compare.main([str(run), "--split", "train"]) == 0
    assert "train split" in capsys.readouterr().out
    samples = (run / "figures_train/samples.png").read_bytes()
    assert read_run(run, "train").figure("samples") == samples


def test_evaluation_json_is_of_the_test_split_once_that_is_measured(
    pictures, evaluate, tmp_path, capsys
):
    run = copy_of(pictures[0], tmp_path)
    for file in run.glob("evaluation*"):
        file.unlink()
    assert evaluate(run, "--split", "valid", *MINIMAL)[0] == 0
    assert written(run)[0]["data"]["split"] == "valid"
    assert compare.main([str(run)]) == 0 and "valid split" in capsys.readouterr().out
    for split in ("test", "valid"):
        assert evaluate(run, "--split", split, *MINIMAL)[0] == 0
        assert written(run)[0]["data"]["split"] == "test"


def test_the_table_names_sides_and_errors(pictures, evaluate):
    run, content, _ = pictures
    _, table, _ = evaluate(run, "--particles", "64", "--elbo-particles", "8")
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


def test_evaluation_leaves_the_weights_alone(pictures, evaluated):
    run, _, _ = pictures
    before = {file.name: file.read_bytes() for file in run.glob("checkpoint-*.pt")}
    evaluated(run)
    assert before == {file.name: file.read_bytes() for file in run.glob("checkpoint-*.pt")}


def test_one_bad_run_does_not_stop_the_others(pictures, evaluate, tmp_path):
    run = copy_of(pictures[0], tmp_path)
    (run / "evaluation.json").unlink()
    status, _, error = evaluate(tmp_path, run, *MINIMAL)
    assert status == 2
    assert error.startswith(f"error: {tmp_path}: not a run directory (no config.yaml)")
    assert (run / "evaluation.json").exists()


@pytest.mark.parametrize(
    ("wanted", "count", "compiles"),
    [
        ({"particles": 500}, 10_000, False),
        ({"particles": 5000}, 10_000, True),
        ({"particles": 100, "annealing": Annealing(1000)}, 100, True),
        ({"particles": 1, "compile": "on"}, 1, True),
        ({"compile": "off"}, 10**9, False),
    ],
)
def test_long_measurements_are_compiled(monkeypatch, wanted, count, compiles):
    monkeypatch.setattr("evaluation.wanted.has_compiler", lambda: True)
    assert measuring.Wanted(**wanted).compiles(count) == compiles


def test_nothing_is_compiled_without_a_compiler(monkeypatch):
    monkeypatch.setattr("evaluation.wanted.has_compiler", lambda: False)
    assert not measuring.Wanted(particles=5000).compiles(10_000)


def test_a_pair_that_cannot_be_measured_is_refused_in_a_line(pictures, capsys, monkeypatch):
    """A component of the user's own may make a pair without per-datum weights."""

    def unsupported(*arguments):
        raise UnsupportedPair("site 'w' is outside the data plate")

    monkeypatch.setattr("evaluation.command.evaluate", unsupported)
    assert evaluate.main([str(pictures[0])]) == 2
    assert capsys.readouterr().err == "error: site 'w' is outside the data plate\n"

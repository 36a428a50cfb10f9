"""compare.py as a user meets it: what it puts together, what it keeps apart, what it refuses."""

import csv
import io
import json
import re
import subprocess
import sys
import time

import numpy as np
import pytest

import compare
from experiment.directory import RunDirectory
from tests.conftest import ROOT
from tests.made_runs import make_run


@pytest.fixture
def run(capsys):
    """compare.py in this process: (status, stdout, stderr)."""

    def call(*arguments):
        status = compare.main([str(a) for a in arguments])
        return status, *capsys.readouterr()

    return call


def values(mean, seed=0, count=50):
    return (
        np.random.default_rng(7).normal(0, 10, count)
        + mean
        + np.random.default_rng(seed).normal(0, 0.1, count)
    )


@pytest.fixture
def six(tmp_path):
    """Two priors, three seeds: vamp is two nats better."""
    return [
        make_run(
            tmp_path / f"{prior}-{seed}",
            values(mean + seed / 10, seed),
            seed=seed,
            choices={"prior": prior},
        )
        for prior, mean in (("standard_normal", -30), ("vamp", -28))
        for seed in (0, 1, 2)
    ]


def test_seeds_are_averaged_and_the_best_comes_first(run, six):
    status, out, _ = run(*six, "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert status == 0 and [row["setting"] for row in rows] == [
        "prior=vamp",
        "prior=standard_normal",
    ]
    assert [row["seeds"] for row in rows] == ["3", "3"]
    assert (
        float(rows[1]["difference"]) == pytest.approx(-2, abs=0.1)
        and float(rows[1]["p_holm"]) < 0.01
    )
    assert float(rows[0]["iwae_se"]) == pytest.approx(0.1 / 3**0.5, abs=0.03)


COLUMNS = "seeds,reconstruction,kl,elbo,iwae,bits_per_dim,difference,p"


@pytest.mark.parametrize("format", ["text", "csv", "markdown", "latex"])
def test_every_format_says_the_same_numbers(run, six, format):
    """Those of the made-up arrays, row by row, rounded as tables are."""
    wide = ["--columns", COLUMNS] if format == "latex" else []  # a page has room for fewer
    status, out, error = run(*six, "--format", format, *wide)
    assert status == 0 and not error
    out = out.replace("−", "-")
    name = r"^ *(\\raggedright )?\w+.* & " if format == "latex" else "prior="
    lines = [line for line in out.splitlines() if re.search(name, line)][-2:]
    assert len(lines) == 2
    for line, (mean, others) in zip(lines, ((-28, "best"), (-30, "-2.0")), strict=True):
        each = [values(mean + seed / 10, seed).mean() for seed in (0, 1, 2)]
        elbo, error = np.mean(each), np.std(each, ddof=1) / 3**0.5
        numbers = [elbo + 3, 3.0, elbo, elbo + 0.5]
        found = [float(word) for word in re.findall(r"-?\d+\.\d+(?:e-?\d+)?", line)]
        places = 12 if format == "csv" else 2
        assert found[0:8:2] == pytest.approx(numbers, abs=0.6 * 10**-places)
        assert found[1:8:2] == pytest.approx([error, 0, error, error], abs=0.6 * 10**-places)
        assert others in line or format == "csv"
        if mean == -30:
            assert found[10] == pytest.approx(-2.0, abs=1e-3)


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ({"space": "unit"}, "space: binary above, unit here"),
        ({"name": "mnist"}, "data: digits above, mnist here"),
        ({"split": "valid"}, "split: test above, valid here"),
        ({"data": {"seed": 1}}, "data.seed: 0 above, 1 here"),
    ],
)
def test_what_is_not_the_same_is_kept_apart_with_the_reason(run, tmp_path, what, reason):
    _, out, _ = run(
        make_run(tmp_path / "a", values(-30)), make_run(tmp_path / "b", values(-20), **what)
    )
    assert out.count("setting  ") == 2 and "Δ to best" not in out and reason in out


def test_runs_with_and_without_paths_of_classes_meet_in_one_table(run, tmp_path):
    """Configurations of earlier revisions have paths of classes, which are no part of the data."""
    old = {"network": {"_target_": "networks.mlp.MLP", "width": 100}}
    data = {"data": {"_target_": "data.sources.digits.load", "space": None, "seed": 0}}
    runs = [
        make_run(tmp_path / "old", values(-30), **old, **data),
        make_run(tmp_path / "new", values(-30)),
    ]
    status, out, _ = run(*runs)
    assert status == 0 and out.count("Δ to best") == 1
    assert "network.width=100" in out and "_target_" not in out


def test_fewer_examples_are_another_table(run, tmp_path):
    _, out, _ = run(
        make_run(tmp_path / "a", values(-30)), make_run(tmp_path / "b", values(-30, count=20))
    )
    assert "number of examples: 50 above, 20 here" in out


def test_bounds_of_other_tightness_are_not_compared(run, tmp_path):
    runs = [
        make_run(tmp_path / str(k), values(-30), particles=k, latent_dim=k) for k in (100, 5000)
    ]
    _, out, _ = run(*runs)
    out = " ".join(out.split())
    assert "ordered by ELBO" in out and "evaluate all runs with the same --particles" in out
    assert run(*runs, "--by", "iwae")[0] == 0


def test_annealing_at_other_temperatures_is_not_compared(run, tmp_path):
    runs = []
    for temperatures in (100, 1000):
        made = make_run(
            tmp_path / str(temperatures),
            values(-30),
            latent_dim=temperatures,
            extra={"ais": values(-29)},
        )
        file = made / "evaluation.json"
        content = json.loads(file.read_text())
        content["nats"]["ais"] |= {"temperatures": temperatures, "particles": 16, "start": "prior"}
        file.write_text(json.dumps(content))
        runs.append(made)
    _, out, _ = run(*runs)
    assert "AIS was measured with 100/16/prior and 1000/16/prior temperatures/chains/start" in out
    assert "ordered by IWAE-100" in out


def test_dequantised_and_stored_levels_meet_in_bits_per_dimension(run, tmp_path):
    stored = make_run(tmp_path / "bytes", values(-120), space="bytes")
    dequantised = make_run(
        tmp_path / "unit", values(-120) + 64 * np.log(17), space="unit", latent_dim=3
    )
    _, out, _ = run(stored, dequantised, "--format", "csv")
    rows = [row for row in csv.DictReader(io.StringIO(out)) if row["unit"] == "bits per dimension"]
    assert len(rows) == 2
    assert float(rows[1]["difference"]) == pytest.approx(
        0, abs=1e-6
    )  # the same masses in other words


def test_binary_data_are_other_data(run, tmp_path):
    _, out, _ = run(
        make_run(tmp_path / "a", values(-30)), make_run(tmp_path / "b", values(-30), space="bytes")
    )
    assert "bits per dimension;" not in out


def test_a_copy_is_no_second_seed(run, tmp_path):
    runs = [make_run(tmp_path / name, values(-30)) for name in "ab"]
    _, out, _ = run(*runs, "--format", "csv")
    assert next(csv.DictReader(io.StringIO(out)))["seeds"] == "1"
    assert "counted once" in run(*runs)[1]


def refused(result):
    status, out, error = result
    assert status == 2 and not out and error.count("\n") == 1 and error.startswith("error: ")
    return error


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("name", None),
        ("split", 3),
        ("observation", 3),
        ("num_examples", 0),
        ("num_examples", "50"),
        ("dimensions", "64"),
        ("fingerprint", [1]),
    ],
)
def test_data_that_are_not_told_right_are_refused(run, tmp_path, part, value):
    """What was measured decides what may be compared: nothing about it is guessed."""
    path = make_run(tmp_path / "run", values(-30))
    content = json.loads((path / "evaluation.json").read_text())
    content["data"][part] = value
    (path / "evaluation.json").write_text(json.dumps(content))
    assert f"data.{part}" in refused(run(path))


def test_unknown_entries_are_left_aside(run, tmp_path):
    """An evaluation of a later revision can be compared."""
    path = make_run(tmp_path / "run", values(-30))
    content = json.loads((path / "evaluation.json").read_text())
    content["data"]["weather"] = content["more"] = "fine"
    content["nats"]["elbo"]["colour"] = [1, 2]
    (path / "evaluation.json").write_text(json.dumps(content))
    assert run(path)[0] == 0


def test_refusals_are_one_line(run, tmp_path):
    assert "not a run directory" in refused(run(tmp_path))
    bare = make_run(tmp_path / "bare", values(-30))
    (bare / "evaluation.json").unlink()
    assert f"python evaluate.py {bare}" in refused(run(bare))
    assert "--by ais" in refused(run(make_run(tmp_path / "run", values(-30)), "--by", "ais"))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[1]",
        b'{"data": 3, "nats": {}}',
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"nats": {"elbo": 1}}',
    ],
)
def test_a_damaged_evaluation_is_refused(run, tmp_path, content):
    path = make_run(tmp_path / "run", values(-30))
    (path / "evaluation.json").write_bytes(content)
    refused(run(path))


@pytest.mark.parametrize("keep", [0, 10, 100, 500])
def test_truncated_arrays_are_refused(run, tmp_path, keep):
    path = make_run(tmp_path / "run", values(-30))
    (path / "evaluation.npz").write_bytes((path / "evaluation.npz").read_bytes()[:keep])
    refused(run(path))


def test_pickled_arrays_are_not_opened(run, tmp_path):
    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "sprung"), "w"))

    path = make_run(tmp_path / "run", values(-30))
    np.savez(path / "evaluation.npz", elbo=np.array([Trap()] * 50, dtype=object))
    refused(run(path))
    assert not (tmp_path / "sprung").exists()


def test_an_enormous_shape_takes_no_memory(run, tmp_path):
    path = make_run(tmp_path / "run", values(-30))
    evaluation = json.loads((path / "evaluation.json").read_text())
    evaluation["data"]["num_examples"] = 10**9
    (path / "evaluation.json").write_text(json.dumps(evaluation))
    refused(run(path))


def test_sixty_runs_in_ten_seconds_without_torch(tmp_path):
    paths = [
        make_run(
            tmp_path / f"{dim}-{seed}",
            values(-30 - dim, seed, count=10_000),
            seed=seed,
            latent_dim=dim,
        )
        for dim in range(20)
        for seed in range(3)
    ]
    code = (
        "import sys, compare; status = compare.main(sys.argv[1:]);"
        "sys.exit(status or int('torch' in sys.modules))"
    )
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, paths), "--out", str(tmp_path / "page.html")],
        cwd=ROOT,
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr.decode()
    assert time.monotonic() - started < 10
    assert (tmp_path / "page.html").stat().st_size < 25_000_000


def test_an_interrupted_evaluation_is_marked(run, six):
    file = six[4] / "evaluation.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"partial": ["ais", "diagnostics"]}))
    status, out, _ = run(*six)
    said = " ".join(out.split())
    assert status == 0 and said.count("was interrupted") == 1
    assert f"without ais, diagnostics; go on: python evaluate.py {six[4]}" in said


def test_a_run_whose_options_were_edited_is_marked_wherever_it_is_shown(run, tmp_path):
    config = (ROOT / "tests/experiment/made_by_cc0708d/config.yaml").read_text()
    paths = [make_run(tmp_path / name, values(-30)) for name in ("first", "second")]
    for path in paths:
        (path / "config.yaml").write_text(config)
        file, by = path / "evaluation.json", RunDirectory(path).read_request().digest
        file.write_text(json.dumps(json.loads(file.read_text()) | {"trained_by": by}))
    status, out, _ = run(*paths)
    assert status == 0 and "it was edited" not in out
    (edited := paths[1] / "config.yaml").write_text(config.replace("seed: 0", "seed: 1"))
    status, out, _ = run(*paths, "--out", tmp_path / "page.html")
    said = " ".join(out.split())
    assert status == 0 and said.count("it was edited") == 1 and str(edited) in said
    assert (tmp_path / "page.html").read_text().count("it was edited") == 1

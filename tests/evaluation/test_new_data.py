"""evaluate.py --new: data in no split are measured like those of a split, and kept apart."""

import json

import numpy as np
import pytest

import compare
from data.sources.digits import load
from experiment import load_run, train

DIGITS = load().valid
FEW = ("--particles", "20", "--elbo-particles", "3", "--device", "cpu")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("new")
    small = "network.width=8", "train.epochs=1", "data.limit=60", "device=cpu"
    for model in ("vae", "conditional"):
        train(*small, f"model={model}", f"run_dir={folder}/{model}")
    np.save(folder / "x.npy", DIGITS.values[:12])
    np.save(folder / "labels.npy", DIGITS.labels[:12])
    np.savez(folder / "x.npz", x=DIGITS.values[:12], labels=DIGITS.labels[:12])
    np.save(folder / "half.npy", DIGITS.values[:12] + 0.5)
    return folder


@pytest.fixture(autouse=True)
def no_figures(monkeypatch):
    monkeypatch.setattr("report.figures.draw_all", lambda *_: [])


def files(run):
    return {file.name: file.read_bytes() for file in run.iterdir() if file.is_file()}


def test_new_data_are_kept_apart_from_the_runs_own(runs, evaluate, capsys):
    run = runs / "vae"
    assert evaluate(run, *FEW)[0] == 0
    before = files(run)
    status, out, err = evaluate(run, "--new", runs / "x.npy", "--export", "scores,samples", *FEW)
    assert status == 0, err
    assert f"digits, new data: {runs}/x.npy, 12 examples" in out
    after = files(run)
    assert before.items() <= after.items(), "what was measured on a split is as it was"
    added = set(after) - set(before)
    hashed = {name.split("_new-")[1].split(".")[0] for name in added}
    assert len(hashed) == 1 and {name.split("_new-")[0] for name in added} == {
        *("evaluation", "report", "export-scores", "export-samples")
    }
    (name,) = (name for name in added if name.endswith(".json"))
    told = json.loads(after[name])["data"]
    assert told["source"] == f"{runs}/x.npy" and told["split"] == f"new-{hashed.pop()}"
    # The scores are those that the run gives from Python, to the noise of few particles.
    opened = load_run(run, device="cpu")
    exact = opened.score(opened.read(runs / "x.npy"), exactly=True).per_datum
    with np.load((run / name).with_suffix(".npz")) as arrays:
        np.testing.assert_allclose(arrays["exact"], exact, atol=2e-3)
    capsys.readouterr()
    assert compare.main([str(run)]) == 0 and "new data" not in capsys.readouterr().out


def test_until_a_split_is_measured_no_numbers_are_the_runs(runs, evaluate, tmp_path):
    run = runs / "conditional"
    assert evaluate(run, "--new", runs / "x.npz", *FEW)[0] == 0
    assert not (run / "evaluation.json").exists() and compare.main([str(run)]) == 2
    status, _, err = evaluate(
        run, "--new", runs / "x.npy", "--new-labels", runs / "labels.npy", *FEW
    )
    assert status == 0, err
    assert len(list(run.glob("evaluation_new-*.json"))) == 1, "the same data have one name"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["vae", "--new", "half.npy"], ["half.npy: ", "whole numbers 0..16"]),
        (["vae", "--new", "absent.npy"], ["absent.npy: no such file"]),
        (["vae", "--new", "labels.npy"], ["labels.npy: ", "expected (examples"]),
        (["conditional", "--new", "x.npy"], ["x.npy: ", "given labels"]),
        (["conditional", "--new", "x.npy", "--new-labels", "absent.npy"], ["absent.npy: no such"]),
        (["conditional", "--new", "x.npz", "--new-labels", "labels.npy"], ["of their own"]),
        (["vae", "--new", "x.npy", "--split", "train"], ["--split", "--new"]),
        (["vae", "--new-labels", "labels.npy"], ["--new-labels", "without --new"]),
        (["vae", "--config-dir", "absent"], ["--config-dir", "no such folder"]),
    ],
)
def test_what_is_no_new_data_is_refused(runs, evaluate, monkeypatch, arguments, words):
    monkeypatch.chdir(runs)
    status, out, err = evaluate(*arguments, *FEW)
    assert status == 2 and not out and err.count("\n") == 1, err
    assert all(word in err for word in words), err

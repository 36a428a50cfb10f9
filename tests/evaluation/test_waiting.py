"""What an evaluation shows while it lasts, and what is left of it when it is interrupted."""

import json
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from evaluation.kept import Kept
from evaluation.local_fit import Fit
from evaluation.measure import evaluate as measured
from evaluation.stages import Stages
from evaluation.waiting import Waiting
from evaluation.wanted import Wanted
from evidence import Annealing
from evidence.progress import listening, steps
from experiment import load_run, train
from tests.conftest import ROOT
from tests.terminal import in_terminal, longest_standstill

SHORT = (
    *("--particles", "8", "--elbo-particles", "4", "--limit", "20"),
    *("--gap", "--gap-limit", "4", "--gap-steps", "2", "--calibration", "--simulations", "10"),
    *("--impute", "left", "--impute-particles", "20"),
)
# The coupled chains of a model that is hardly trained take all of their steps.
ANNEALED = (*SHORT, "--ais", "3", "--chains", "2", "--ais-limit", "6")
STAGES = (
    *("iwae", "exact", "weights", "annealing", "simulated", "reverse-annealing", "gap-of-test"),
    *("fits-to-test", "gap-of-train", "fits-to-train", "calibration", "figures", "imputation"),
)
PLAIN = Wanted(particles=4, elbo_particles=2, limit=6)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    path = tmp_path_factory.mktemp("runs") / "digits"
    words = "train.epochs=1", "network.width=8", "data.limit=30", "device=cpu"
    return train(*words, f"run_dir={path}").path


def arrays(run):
    files = (run / "evaluation.npz", run / "imputations.npz")
    found = {}
    for file in files:
        with np.load(file, allow_pickle=False) as there:
            found |= {f"{file.name}: {name}": there[name] for name in there}
    return json.loads((run / "evaluation.json").read_text()), found


def equal(one, other):
    return one.keys() == other.keys() and all(
        np.array_equal(one[name], other[name], equal_nan=one[name].dtype.kind == "f")
        for name in one
    )


@pytest.mark.parametrize(
    ("stages", "words"),
    [
        (("iwae", "fits-to-test"), SHORT),
        pytest.param(STAGES, ANNEALED, marks=pytest.mark.verify),
    ],
    ids=["two", "all"],
)
def test_interrupted_in_a_stage_it_ends_as_if_it_had_not_been(
    trained, evaluate, tmp_path, monkeypatch, stages, words
):
    """Ctrl-C in one stage after the other: files stay whole, and no stage is measured twice."""
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    for path in (whole, broken):
        shutil.copytree(trained, path)
    assert evaluate(whole, *words)[0] == 0
    entered, begun = Waiting.entered_stage, []
    left = list(stages)

    def interrupted(self, name):
        if left and name == left[0]:
            left.pop(0)
            raise KeyboardInterrupt
        begun.append(name)
        return entered(self, name)

    monkeypatch.setattr(Waiting, "entered_stage", interrupted)
    while left:
        now = left[0]
        status, out, error = evaluate(broken, *words)
        assert status == 1 and "the same command goes on" in error
        content = json.loads((broken / "evaluation.json").read_text())
        if now not in ("figures", "imputation"):
            assert content["partial"][0] == now and "marked partial" in out
            assert ("IWAE-8" in out) == (now != "iwae")
    status, out, _ = evaluate(broken, *words)
    assert status == 0 and "kept from before: elbo, iwae, " in out
    measured_once = [name for name in begun if name != "figures"]
    assert len(measured_once) == len(set(measured_once)) == (14 if words is ANNEALED else 11)
    (content, found), (expected, values) = arrays(broken), arrays(whole)
    assert content | {"npz_sha256": ""} == expected | {"npz_sha256": ""} and equal(found, values)


def test_what_is_whole_is_not_replaced_by_what_is_partial(trained, evaluate, tmp_path, monkeypatch):
    run = shutil.copytree(trained, tmp_path / "run")
    assert evaluate(run, "--particles", "8", "--limit", "20")[0] == 0
    before = (run / "evaluation.json").read_bytes()

    def interrupted(self, name):
        raise KeyboardInterrupt

    monkeypatch.setattr(Waiting, "entered_stage", interrupted)
    status, out, _ = evaluate(run, "--particles", "9", "--limit", "20")
    assert status == 1 and "stays as it is: it is whole, and this one lacks iwae" in out
    assert (run / "evaluation.json").read_bytes() == before


OTHERS = {
    "split": "valid",
    "particles": 5,
    "elbo_particles": 3,
    "limit": 7,
    "seed": 1,
    "annealing": Annealing(2, 2, 1),
    "annealed": 3,
    "gap": 3,
    "fit": Fit(steps=3, restarts=1, measured=5),
    "simulations": 6,
    "compile": "on",
    "exact": "off",
}


@pytest.mark.verify
@pytest.mark.parametrize("name", [field for field in OTHERS if field != "compile"])
def test_what_was_kept_for_other_options_is_not_taken(trained, tmp_path, name):
    """Any option that is another gives the numbers of an evaluation that finds nothing kept."""
    run = load_run(shutil.copytree(trained, tmp_path / "run"))
    base = replace(
        PLAIN,
        annealing=Annealing(2, 1, 1),
        annealed=2,
        gap=2,
        fit=Fit(steps=2, restarts=1, measured=5),
        simulations=4,
    )
    assert set(OTHERS) == set(vars(base))
    measured(run, base, Stages(kept=Kept(run, "test", again=False)))
    other = replace(base, **{name: OTHERS[name]})
    stages = Stages(kept=Kept(run, other.split, again=False))
    found, anew = measured(run, other, stages), measured(run, other)
    assert repr(found.bounds) == repr(anew.bounds)
    assert repr(found.diagnostics) == repr(anew.diagnostics)
    if name == "simulations":
        assert stages.found[-1] == "fits-to-train", "all but the last stage are kept"


def test_other_weights_find_nothing_kept(trained, tmp_path):
    run = load_run(shutil.copytree(trained, tmp_path / "run"))
    measured(run, PLAIN, Stages(kept=Kept(run, "test", again=False)))
    with torch.no_grad():
        next(run.model.parameters()).add_(0.01)
    stages = Stages(kept=Kept(run, "test", again=False))
    measured(run, PLAIN, stages)
    assert stages.found == []


def test_shares_of_nested_loops_grow_to_one():
    heard = []
    with listening(lambda share, words: heard.append((share, words))):
        for _ in steps(range(2), "part", loops=2):
            for _ in range(2):
                for number in steps(range(5), "step"):
                    if number == 3:
                        break
    shares = [share for share, _ in heard]
    assert shares == sorted(shares) and shares[0] == 0.0 and shares[-1] == 1.0
    assert "step 4 of 5" in [words for _, words in heard]


def test_bars_in_a_terminal(trained, tmp_path):
    run = shutil.copytree(trained, tmp_path / "run")
    status, said = in_terminal(ROOT / "evaluate.py", run, *SHORT[:-4], cwd=tmp_path)
    text = "".join(part for _, part in said)
    assert status == 0, text
    assert re.search(r"10 of 10: figures and report, figure \d of 11", text)
    assert "3 of 10: log p(x)" in text and "bits per dimension" in text


@pytest.mark.verify
def test_bars_of_everything_move_every_two_seconds(trained, tmp_path):
    run = shutil.copytree(trained, tmp_path / "run")
    status, said = in_terminal(ROOT / "evaluate.py", run, "--full", "--ais", "300", cwd=tmp_path)
    assert status == 0 and longest_standstill(said) < 2.0

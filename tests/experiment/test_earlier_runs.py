"""Runs of revision cc0708d, which stored the paths of classes: they open, and say the same numbers.

`made_by_cc0708d` is the run directory that this command left at that revision, evaluated with 50
particles and `--compile off`, by one thread on a CPU.
"""

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
import yaml

from configs.compose import request_from
from errors import RequestError
from experiment import load_run, train
from experiment.directory import RunDirectory
from experiment.legacy import digest_then, migrated
from tests.conftest import ROOT

COMMAND = [
    *("network.width=8", "data.limit=60", "train.epochs=2", "train.compile=off", "prior=vamp"),
    *("prior.components=3", "guide=iaf", "guide.width=8", "guide.context=4", "objective=beta"),
    *("objective.warmup_epochs=1", "device=cpu"),
]
MADE = ROOT / "tests" / "experiment" / "made_by_cc0708d"


@pytest.fixture
def run(tmp_path):
    return shutil.copytree(MADE, tmp_path / "run")


def evaluated(command, run, **options):
    few = ("--particles", "50", "--compile", "off", "--device", "cpu")
    done = command("evaluate.py", run, *few, **options)
    assert done.returncode == 0 and "warning" not in done.stderr, done.stderr
    return done


def assert_same_numbers(run):
    found, expected = np.load(run / "evaluation.npz"), np.load(MADE / "evaluation.npz")
    assert set(expected.files) <= set(found.files)
    for name in expected.files:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-5, atol=1e-5)
    then = json.loads((MADE / "evaluation.json").read_text())["nats"]
    now = json.loads((run / "evaluation.json").read_text())["nats"]
    for name, value in then.items():
        assert now[name]["mean"] == pytest.approx(value["mean"], rel=1e-5)


def test_it_opens_and_evaluates_to_the_same_numbers(run, command):
    (run / "evaluation.json").unlink()
    (run / "evaluation.npz").unlink()
    evaluated(command, run)
    assert_same_numbers(run)


def test_it_is_known_as_done_by_the_command_that_made_it(run, train):
    before = (run / "config.yaml").read_bytes()
    status, out, error = train(*COMMAND, f"run_dir={run}")
    assert (status, error) == (0, "") and "is done already" in out
    assert (run / "config.yaml").read_bytes() == before


def test_another_request_is_refused_there(run, train):
    status, _, error = train(*COMMAND, "prior.components=4", f"run_dir={run}")
    assert status == 2 and "prior.components is 3 there, 4 now" in error


def test_a_run_that_was_cut_goes_on(run, train):
    """The last checkpoint of the run is put back to where an interruption would have left it."""
    (run / "DONE").unlink()
    status, out, error = train(*COMMAND, f"run_dir={run}")
    assert (status, error) == (0, "") and "best validation ELBO" in out
    then = torch.load(MADE / "checkpoint-best.pt", weights_only=True)
    now = torch.load(run / "checkpoint-best.pt", weights_only=True)
    assert all(torch.equal(then["model"][name], now["model"][name]) for name in then["model"])


def test_the_checkpoint_and_the_configuration_belong_together(run, capsys):
    stored = yaml.safe_load((run / "config.yaml").read_text())
    state = torch.load(run / "checkpoint-best.pt", weights_only=True)
    assert state["config"] == digest_then(stored) and RunDirectory(run).made_by(state)
    load_run(run)
    assert "edited" not in capsys.readouterr().err
    stored["objective"]["weight"] = 2.0
    (run / "config.yaml").write_text(yaml.safe_dump(stored))
    load_run(run)
    assert "edited" in capsys.readouterr().err


def test_every_class_of_that_revision_has_a_choice_now():
    """The paths that its YAML files named, at the choices that they belong to."""
    then = {
        "model": ["inference.pairs.vae.vae", "inference.pairs.gmvae.gmvae"],
        "data": ["data.sources.images.load", "data.sources.vision.mnist"],
        "objective": ["inference.objectives.elbo.ELBO", "inference.objectives.dreg.DReG"],
    }
    now = {"model": ["vae", "gmvae"], "data": ["images", "mnist"], "objective": ["elbo", "dreg"]}
    for axis, targets in then.items():
        for target, name in zip(targets, now[axis], strict=True):
            found = migrated({"choices": {axis: "alias"}, axis: {"_target_": target, "a": 1}})
            assert found == {"choices": {axis: name}, axis: {"a": 1}}


@pytest.mark.parametrize("path", ["experiment.load.load_run", "inference.loop.fit", "os.system"])
def test_other_paths_are_no_choices(path):
    config = {"choices": {"prior": "vamp"}, "prior": {"_target_": path}}
    assert migrated(config) == config


def test_a_module_that_moves_breaks_no_run(run, tmp_path):
    """A copy of the project in which the module of the run's guide has another name and folder."""
    copy = tmp_path / "project"
    shutil.copytree(
        ROOT, copy, ignore=shutil.ignore_patterns(".*", "runs", "tests", "docs", "benchmarks")
    )
    shutil.move(copy / "guides" / "families" / "iaf.py", copy / "guides" / "inverse.py")
    for file in [*copy.rglob("*.py"), *copy.rglob("*.yaml")]:
        file.write_text(file.read_text().replace("guides.families.iaf", "guides.inverse"))

    def command(script, *arguments):
        return subprocess.run(
            [sys.executable, str(copy / script), *map(str, arguments)],
            cwd=copy,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            check=False,
        )

    evaluated(command, run)
    assert_same_numbers(run)
    again = command("train.py", *COMMAND, f"run_dir={run}")
    assert again.returncode == 0 and "is done already" in again.stdout, again.stderr


def older(run):
    """Takes the option out of the files of `run` that came after the revision that made it."""
    stored = yaml.safe_load((run / "config.yaml").read_text())
    del stored["data"]["split_by"], stored["data"]["standardise"]
    (run / "config.yaml").write_text(yaml.safe_dump(stored))
    (run / "data.json").unlink(missing_ok=True)
    for file in run.glob("checkpoint-*.pt"):
        state = torch.load(file, weights_only=True)
        torch.save(state | {"config": digest_then(stored)}, file)


def test_arrays_keep_the_split_that_they_had(tmp_path, train, monkeypatch):
    """They were split in the order of the file, and the same command means that in their place.

    The default name of a run is the same, too.
    """
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", np.arange(60.0).reshape(30, 2))
    command = ["data=arrays", f"data.path={tmp_path / 'x.npy'}", "likelihood=gaussian"]
    command += ["network.width=4", "train.epochs=2", "train.compile=off", "device=cpu"]
    assert request_from(*command).run_dir != request_from(*command, "data.split_by=order").run_dir
    then = ["data.split_by=order", "data.standardise=false"]
    assert train(*command, *then, "run_dir=ordered")[0] == 0
    place = tmp_path / request_from(*command).run_dir
    shutil.copytree("ordered", place)
    older(place)
    status, out, error = train(*command)
    assert (status, error) == (0, "") and "is done already" in out
    run = load_run(place)
    assert run.data("test")[:, 0].tolist() == [54, 56, 58]
    (place / "DONE").unlink()
    assert train(*command)[0] == 0 and load_run(place).data("test")[0, 0] == 54
    status, _, error = train(*command, "data.limit=5", f"run_dir={place}")
    assert status == 2 and "data.limit is None there, 5 now" in error and "split_by" not in error


def test_labels_that_were_positions_then_are_refused_where_they_left_gaps(tmp_path):
    """Of labels 0, 1 and 3 there are three now; then there were four columns of one-hot rows."""
    rows = np.random.default_rng(0)
    np.save(tmp_path / "x.npy", rows.normal(size=(40, 3)).astype(np.float32))
    np.save(tmp_path / "y.npy", rows.choice([0, 1, 3], 40))
    words = (f"data.path={tmp_path / 'x.npy'}", f"data.labels={tmp_path / 'y.npy'}")
    small = ("network.width=4", "train.epochs=1", "train.compile=off", "device=cpu")
    kind = ("data=arrays", "model=conditional", "likelihood=gaussian")
    run = train(*kind, *words, *small, f"run_dir={tmp_path / 'run'}")
    assert run.dataset.classes == (0, 1, 3) and run.model.classes == 3
    for file in run.path.glob("checkpoint-*.pt"):
        state = torch.load(file, weights_only=True)
        weight = state["model"]["decoder.hidden.0.0.weight"]
        state["model"]["decoder.hidden.0.0.weight"] = torch.cat([weight, weight[:, :1]], 1)
        torch.save(state, file)
    with pytest.raises(RequestError, match="does not fit the configuration beside it") as refusal:
        load_run(run.path)
    assert "\n" not in str(refusal.value)

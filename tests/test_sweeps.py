"""Sweeps as a user runs them: every combination, nothing twice, a failing job named at the end."""

import json
import re
from pathlib import Path

import pytest

SHORT = (
    "train.epochs=2",
    "network.width=8",
    "data.limit=100",
    "device=cpu",
    "train.schedule=constant",
)
PLACE = "run_dir=run/lr${train.learning_rate}-z${latent_dim}-s${seed}"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def done(folder):
    return sorted(file.parent.name for file in folder.glob("run/*/DONE"))


def failures(stderr):
    return [line for line in stderr.splitlines() if line.startswith("error: ")]


def test_every_combination_and_nothing_twice(train, folder):
    request = ("-m", PLACE, *SHORT, "train.learning_rate=0.001", "latent_dim=1,2", "seed=0,1")
    assert train(*request)[0] == 0
    assert done(folder) == ["lr0.001-z1-s0", "lr0.001-z1-s1", "lr0.001-z2-s0", "lr0.001-z2-s1"]
    before = {file: file.stat().st_mtime_ns for file in folder.glob("run/*/*.pt")}
    (folder / "run/lr0.001-z1-s0/DONE").unlink()  # cut before its end
    status, out, _ = train(*request)
    assert status == 0 and len(done(folder)) == 4 and out.count("is done already") == 3
    assert re.findall(r"^run (.*?)(?:;|$)", out, re.M)[:4] == [
        f"{number} of 4: latent_dim={z} seed={seed}"
        for number, (z, seed) in enumerate([(1, 0), (1, 1), (2, 0), (2, 1)], start=1)
    ]
    assert re.search(r"run 4 of 4: .*; about \d+ s for this run", out)
    assert (
        len(re.findall(r"^latent_dim=\d seed=\d +-\d+\.\d\d +[12] +(?:\d+ s|–)$", out, re.M)) == 4
    )
    assert "next: python evaluate.py run/*\nthen: python compare.py run/* --out" in out
    assert out.count("next: ") == 1, "the end of the sweep says what follows"
    assert {f.parent.name for f, time in before.items() if f.stat().st_mtime_ns != time} <= {
        "lr0.001-z1-s0"
    }
    assert sorted(file.name for file in folder.iterdir()) == ["run", "runs"]  # nothing strewn about


def check_failing_sweep(folder, status, stderr):
    """One learning rate breaks training: its jobs are named in a line each, the others done."""
    lines = failures(stderr)
    assert status == 1 and len(lines) == 2 and stderr.rstrip().splitlines()[-2:] == lines
    assert all(
        "train.learning_rate=1e" in line and "epoch" in line and "seed=" in line for line in lines
    )
    assert done(folder) == ["lr0.001-z2-s0", "lr0.001-z2-s1"]


FAILING = ("-m", PLACE, *SHORT, "train.learning_rate=1e30,0.001", "seed=0,1")


def test_a_failing_job_stops_no_other(train, folder):
    status, _, stderr = train(*FAILING)
    check_failing_sweep(folder, status, stderr)


def test_a_failing_job_stops_no_other_in_parallel(command, folder):
    """The jobs run in other processes: what they met comes back through the sweep's folder."""
    result = command(
        "train.py", *FAILING, "hydra/launcher=joblib", "hydra.launcher.n_jobs=2", cwd=folder
    )
    check_failing_sweep(folder, result.returncode, result.stderr)


def test_a_wrong_value_is_told_from_a_failure(train, folder):
    status, _, stderr = train("-m", PLACE, *SHORT, "latent_dim=0,1")
    assert status == 2 and len(failures(stderr)) == 1 and len(done(folder)) == 1
    records = map(json.loads, map(Path.read_text, folder.glob("runs/.sweeps/*/jobs/*.json")))
    assert sorted(record.get("status", 0) for record in records) == [0, 2]


def test_a_bug_in_one_job_stops_no_other(train, folder, monkeypatch):
    import configs.training

    def broken(request, observe, original=configs.training.train_request):
        return original(request, observe) if request.seed else 1 / 0

    monkeypatch.setattr(configs.training, "train_request", broken)
    status, _, stderr = train(PLACE, *SHORT, "-m", "seed=0,1")  # where the -m stands is no matter
    assert status == 1 and "ZeroDivisionError" in failures(stderr)[-1] and "Traceback" in stderr
    assert len(done(folder)) == 1


@pytest.mark.verify
@pytest.mark.parametrize("launcher", ["submitit_local", "ray"])
def test_a_failing_job_stops_no_other_on_a_cluster(command, folder, launcher):
    pytest.importorskip(
        f"hydra_plugins.hydra_{launcher.split('_')[0]}_launcher",
        reason=f"requirements/*.txt for {launcher}",
    )
    quiet = {"RAY_DEDUP_LOGS": "0"}  # or Ray writes into the lines that are compared
    result = command("train.py", *FAILING, f"hydra/launcher={launcher}", cwd=folder, **quiet)
    check_failing_sweep(folder, result.returncode, result.stderr)

"""evaluation.json and evaluation.npz are of one evaluation, or are refused."""

import json
import os
import resource
import shutil

import numpy as np
import pytest

import compare
from errors import RequestError
from evaluation import files as saving
from experiment.directory import RunDirectory
from report.comparison.reading import read_run
from tests.faults.conftest import QUICK
from tests.made_runs import make_run


def refusal(run):
    with pytest.raises(RequestError) as error:
        read_run(run)
    return str(error.value)


def test_the_files_of_an_evaluation_belong_together(good, tmp_path):
    """The .json names the .npz; one of another evaluation is refused, whatever it holds."""
    run = shutil.copytree(good, tmp_path / "run")
    read_run(run)
    with np.load(run / "evaluation.npz") as arrays:
        changed = {name: values + (name == "iwae") for name, values in arrays.items()}
    np.savez_compressed(run / "evaluation.npz", **changed)
    assert "another evaluation" in refusal(run) and "evaluate.py" in refusal(run)


def test_an_evaluation_that_is_killed_between_its_files(good, evaluate, tmp_path, monkeypatch):
    run, write = shutil.copytree(good, tmp_path / "run"), saving.write_json

    class Killed(BaseException):
        pass

    def killed(*arguments):
        raise Killed

    monkeypatch.setattr(saving, "write_json", killed)
    with pytest.raises(Killed):
        evaluate(run, *QUICK, "--seed", 77)
    assert "another evaluation" in refusal(run)
    assert compare.main([str(run)]) == 2
    monkeypatch.setattr(saving, "write_json", write)
    assert evaluate(run, *QUICK, "--seed", 77)[0] == 0
    read_run(run)


def test_an_evaluation_for_which_there_is_no_room(good, evaluate, tmp_path):
    """A file that ends half-way takes none that is there with it."""
    run = shutil.copytree(good, tmp_path / "run")
    before = {file: file.read_bytes() for file in run.rglob("*") if file.is_file()}
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300, usual[1]))
    try:
        status, _, error = evaluate(run, *QUICK, "--seed", "5", "--again")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)
    assert status == 1 and [line for line in error.splitlines() if line.startswith("error: ")] == [
        f"error: {run / 'evaluation.npz'}: File too large"
    ]
    assert {file: file.read_bytes() for file in before} == before
    assert compare.main([str(run)]) == 0


@pytest.mark.parametrize("digest", ["", "0" * 64, 3, [], {}, True, "é"])
def test_odd_digests_are_refused_and_none_is_accepted(tmp_path, digest):
    run = make_run(tmp_path / "run", np.arange(8.0))  # as earlier revisions have left it
    content = json.loads((run / "evaluation.json").read_text())
    assert "npz_sha256" not in content
    read_run(run)
    (run / "evaluation.json").write_text(json.dumps(content | {"npz_sha256": digest}))
    assert "another evaluation" in refusal(run)


def test_two_evaluations_of_a_run_exclude_each_other(good, evaluate, tmp_path):
    """The second is refused before any work, in one line; other runs are measured meanwhile."""
    run, other = (shutil.copytree(good, tmp_path / name) for name in ("run", "other"))
    before = (run / "evaluation.json").stat().st_mtime_ns
    with RunDirectory(run).measuring():
        status, out, error = evaluate(run, other, *QUICK, "--split", "train")
    refused = [line for line in error.splitlines() if line.startswith("error: ")]
    assert status == 2 and len(refused) == 1 and "another process is measuring" in refused[0]
    assert (run / "evaluation.json").stat().st_mtime_ns == before and str(other) in out
    assert (other / "evaluation_train.json").exists()


def test_a_run_that_cannot_be_written_needs_no_lock(tmp_path):
    """It is measured, and its numbers are printed; only its files are not written."""
    (tmp_path / "run").mkdir()
    (tmp_path / "run").chmod(0o500)
    with RunDirectory(tmp_path / "run").measuring():
        pass
    with RunDirectory(tmp_path / "nowhere").measuring():
        assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("kind", ["link", "pipe"])
def test_a_lock_that_is_no_plain_file_is_refused(good, evaluate, tmp_path, kind):
    run = shutil.copytree(good, tmp_path / "run")
    lock = run / ".lock-evaluation"
    lock.unlink()
    if kind == "link":
        lock.symlink_to(tmp_path / "outside")
    else:
        os.mkfifo(lock)
    status, _, error = evaluate(run, *QUICK)
    assert status == 2 and error.count("\n") == 1 and ".lock-evaluation" in error
    assert not (tmp_path / "outside").exists()

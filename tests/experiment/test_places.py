"""A run finds its data again from any working directory, or is told where they are now."""

import shutil
import struct
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch

import evaluate
from errors import RequestError
from experiment import load_run
from experiment.directory import in_a_shell

TINY = ["train.epochs=1", "network.width=8", "device=cpu", "train.compile=off"]
FEW = ["--particles", "4", "--elbo-particles", "2", "--limit", "5"]


def array(seed):
    return np.random.default_rng(seed).normal(size=(40, 3)).astype(np.float32)


@pytest.fixture
def here(train, tmp_path, monkeypatch):
    """A run trained in `home` on an array and labels; `away` has others of the same names."""
    for seed, folder in enumerate(("home", "away")):
        (tmp_path / folder).mkdir()
        np.save(tmp_path / folder / "x.npy", array(seed))
        np.save(tmp_path / folder / "y.npy", np.full(40, seed))
    monkeypatch.chdir(tmp_path / "home")
    options = [
        "data=arrays",
        "data.path=x.npy",
        "data.labels=y.npy",
        "data.split_by=order",
        "likelihood=gaussian",
        "run_dir=run",
    ]
    assert train(*TINY, *options)[0] == 0
    monkeypatch.chdir(tmp_path / "away")
    return tmp_path


def first(run):
    return run.data("test")[:1]


def test_a_run_is_evaluated_from_anywhere_on_its_own_data(here, capsys):
    run = load_run(here / "home/run")
    assert (
        torch.equal(first(run), torch.from_numpy(array(0)[-4:-3]))
        and not run.dataset.test.labels.any()
    )
    assert evaluate.main([str(here / "home/run"), *FEW]) == 0
    assert "warning" not in capsys.readouterr().err


def test_training_goes_on_from_anywhere(here, train):
    """Where a run was started makes no other run of it, but other data of the same name do."""
    options = [
        "data=arrays",
        "data.path=x.npy",
        "data.labels=y.npy",
        "data.split_by=order",
        "likelihood=gaussian",
        f"run_dir={here / 'home/run'}",
    ]
    status, _, error = train(*TINY, *options)
    assert status == 2 and "not the data that the run was trained on" in error
    for name in ("x.npy", "y.npy"):
        shutil.copy(here / "home" / name, here / "away" / name)
    status, out, _ = train(*TINY, *options)
    assert status == 0 and "done already" in out


def test_data_that_were_moved_are_named_and_given(here, capsys, monkeypatch):
    run = str(here / "home/run")
    (here / "home/x.npy").rename(here / "moved.npy")
    assert evaluate.main([run, *FEW]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert (
        f"data.path={here}/home/x.npy: no such file" in line
        and f"evaluate.py {run} data.path=" in line
    )
    monkeypatch.chdir(here)
    assert evaluate.main([run, *FEW, "data.path=moved.npy"]) == 0
    assert torch.equal(
        first(load_run(run, places={"path": "moved.npy"})), torch.from_numpy(array(0)[-4:-3])
    )


def test_a_run_from_before_is_read_from_the_working_directory(here):
    """Its config.yaml does not say where it was trained, and no hash what on."""
    (here / "home/run/data.json").unlink()
    file = here / "home/run/config.yaml"
    lines = file.read_text().splitlines()
    kept = [line for line in lines if not line.startswith("trained_in")]
    assert len(kept) == len(lines) - 1
    file.write_text("\n".join(kept))
    assert torch.equal(first(load_run(here / "home/run")), torch.from_numpy(array(1)[-4:-3]))


def test_a_folder_of_torchvision_likewise(train, tmp_path, monkeypatch, capsys):
    for part, count in (("train", 10_020), ("t10k", 12)):
        for kind, values in (
            ("images-idx3", np.zeros((count, 28, 28), np.uint8)),
            ("labels-idx1", np.zeros(count, np.uint8)),
        ):
            file = tmp_path / f"home/datasets/MNIST/raw/{part}-{kind}-ubyte"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(
                struct.pack(f">HBB{values.ndim}I", 0, 8, values.ndim, *values.shape)
                + values.tobytes()
            )
    monkeypatch.chdir(tmp_path / "home")
    assert train(*TINY, "data=mnist", "data.limit=20", "latent_dim=3", "run_dir=run")[0] == 0
    monkeypatch.chdir(tmp_path)
    assert len(load_run("home/run").data("test")) == 12
    shutil.move("home/datasets", "elsewhere")
    assert evaluate.main(["home/run", *FEW]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert (
        line.startswith(f"error: data.root={tmp_path}/home/datasets: ")
        and "evaluate.py home/run data.root=" in line
    )
    assert evaluate.main(["home/run", "data.root=elsewhere", *FEW]) == 0


def test_other_options_are_the_runs_own(here, capsys):
    for given, words in (
        (["run", "data.limit=5"], "data.limit: only where the data are"),
        (["data.root=x"], "no run directory"),
    ):
        with pytest.raises(SystemExit) as stopped:
            evaluate.main(given)
        assert stopped.value.code == 2 and words in capsys.readouterr().err
    with pytest.raises(RequestError, match=r"data\.root: no such option"):
        load_run(here / "home/run", places={"root": "x"})


def test_runs_are_named_as_shortly_as_a_shell_understands(tmp_path):
    runs = [str(tmp_path / name) for name in ("a-x-1f", "b-y-2f", "c-z-3f")]
    for run in runs:
        Path(run).mkdir()
    assert in_a_shell(runs) == f"{tmp_path}/*" and in_a_shell(runs[:1]) == runs[0]
    assert in_a_shell(runs[:2]) == f"{tmp_path}/*-{{1f,2f}}"
    meant = subprocess.run(["bash", "-c", f"echo {in_a_shell(runs[:2])}"], capture_output=True)
    assert meant.stdout.decode().split() == runs[:2]
    (tmp_path / "d-2f").mkdir()
    assert in_a_shell(runs[:2]) == " ".join(runs[:2])

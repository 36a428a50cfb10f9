"""A run knows its data: other data in their place are refused, by training and by measuring."""

import json

import numpy as np
import pytest

from data import View, open_dataset
from data.raw import RawData, RawSplit
from data.sources import arrays
from errors import RequestError
from experiment import load_run
from experiment.data_file import LARGEST, read_hashes

X = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)


@pytest.fixture
def made(tmp_path, train):
    """A finished run on an array with labels, and the command that made it."""
    np.save(tmp_path / "x.npy", X)
    np.save(tmp_path / "y.npy", np.arange(40) % 3)
    command = ["data=arrays", f"data.path={tmp_path / 'x.npy'}", f"data.labels={tmp_path}/y.npy"]
    command += ["likelihood=gaussian", "network.width=4", "train.epochs=1", "train.compile=off"]
    command += ["device=cpu", f"run_dir={tmp_path / 'run'}"]
    status, _, error = train(*command)
    assert status == 0, error
    return tmp_path / "run", command


def test_the_same_data_are_the_same_wherever_they_lie(made, tmp_path, train):
    run, command = made
    assert "done already" in train(*command)[1]
    np.save(tmp_path / "moved.npy", X.astype(">f8"))
    load_run(run, places={"path": str(tmp_path / "moved.npy")})


def test_a_corrected_table_is_refused(made, tmp_path, train, capsys):
    """One number of 120 differs."""
    run, command = made
    corrected = X.copy()
    corrected[3, 1] += 1
    np.save(tmp_path / "x.npy", corrected)
    status, _, error = train(*command)
    assert status == 2 and "not the data that the run was trained on (other values)" in error
    with pytest.raises(RequestError, match=r"run: these are not the data .*\(other values\)"):
        load_run(run)
    (run / "DONE").unlink()
    assert train(*command)[0] == 2
    (run / "data.json").unlink()  # as in a run of an earlier revision
    assert train(*command)[0] == 0
    capsys.readouterr()
    load_run(run)
    assert "data.json: not there; whether these are the data" in capsys.readouterr().err
    assert not (run / "data.json").exists()  # what it began on is not known


def test_another_file_at_evaluation_is_refused(made, tmp_path, command):
    np.save(tmp_path / "other.npy", X + 1)
    few = ("--particles", "5", "--compile", "off", "--device", "cpu")
    done = command("evaluate.py", made[0], f"data.path={tmp_path / 'other.npy'}", *few)
    assert done.returncode == 2 and "not the data that the run was trained on" in done.stderr
    assert done.stderr.count("\n") == 1 and not (made[0] / "evaluation.json").exists()


def test_other_labels_are_refused_and_new_ones_are_not(made, tmp_path):
    np.save(tmp_path / "y.npy", np.arange(40) % 4)
    with pytest.raises(RequestError, match=r"\(other labels\)"):
        load_run(made[0])
    hashes = json.loads((made[0] / "data.json").read_text())
    (made[0] / "data.json").write_text(json.dumps(hashes | {"labels": None}))
    load_run(made[0])


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"values": 3}', "[" * 9000, "x" * (LARGEST + 1)])
def test_a_strangers_file_is_one_line(tmp_path, text):
    (tmp_path / "data.json").write_text(text)
    with pytest.raises(RequestError, match=r"data\.json: "):
        read_hashes(tmp_path / "data.json")


def hashed(values, **options):
    split = RawSplit(values)
    return open_dataset(RawData(split, split, split, None), "mine", View("real", **options))


def test_a_hash_is_of_values_and_not_of_noise_or_type():
    same = hashed(X).fingerprint
    assert same == hashed(X.astype(np.float64)).fingerprint
    for other in (X[:-1], X[::-1], X.reshape(40, 3, 1), -X):
        assert hashed(other).fingerprint["values"] != same["values"]
    levels = RawSplit(np.arange(64, dtype=np.uint8).reshape(8, 8))
    raw = RawData(levels, levels, levels, 64)
    spaces = [open_dataset(raw, "mine", View(s)).fingerprint for s in ("unit", "real", "binary")]
    assert spaces[0] == spaces[1] == spaces[2]


def test_a_streamed_file_is_sampled(tmp_path, monkeypatch):
    """Its shape, its ends and blocks between them are part of the hash."""
    values = np.random.default_rng(0).normal(size=(5000, 7)).astype(np.float32)

    def hash_of(new, name="x.npy"):
        np.save(tmp_path / name, new)
        raw = arrays.load(str(tmp_path / name), memory_limit=1000)
        return open_dataset(raw, "mine", View("real", memory_limit=1000)).fingerprint["values"]

    monkeypatch.setattr("data.streaming.HASHED_BYTES", 280)
    first = hash_of(values)
    assert first == hash_of(values, "copy.npy") != hash_of(values[:-10])
    for row in (0, 3999, 4000, 4999):
        changed = values.copy()
        changed[row, 3] += 1
        assert hash_of(changed) != first
    assert hash_of(values + 1) != first

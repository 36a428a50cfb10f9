"""New data come into a data set's space as its own did, or are refused by what does not fit."""

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from data import View, open_dataset
from data.new import Reader, placed
from data.sources import arrays, images


def read_new(given, data, **options):
    return placed(Reader(**options).read(given, data), data)


@pytest.fixture
def table(tmp_path):
    frame = pd.DataFrame({"a": np.arange(30.0), "b": np.arange(30) % 7 - 0.5})
    frame.index = [f"p{n}" for n in range(30)]
    frame.to_csv(tmp_path / "t.csv", index_label="id")
    raw = arrays.load(str(tmp_path / "t.csv"))
    return frame, open_dataset(raw, "arrays", View("real"))


def test_a_file_an_array_and_a_frame_are_the_same_rows(table, tmp_path):
    frame, data = table
    np.save(tmp_path / "x.npy", frame.to_numpy())
    for given in (str(tmp_path / "t.csv"), frame, frame.to_numpy(), tmp_path / "x.npy"):
        new = read_new(given, data)
        assert torch.equal(new[:], torch.tensor(frame.to_numpy(), dtype=torch.float32))
        named = "p29" if given is frame or str(given).endswith("csv") else "row 29"
        assert new.origins[29] == named
    one = read_new(frame.reset_index(names="id").iloc[[4, 4]], data)  # names need not be different
    assert one.origins.names.tolist() == ["p4", "p4"]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda f: f[["b", "a"]], "has them in another order, 'b', 'a'; the columns of the run"),
        (lambda f: f.rename(columns={"b": "c"}), "lacks 'b'; "),
        (lambda f: f.assign(c=1), "has 'c' besides; "),
        (lambda f: f.replace(3.0, np.nan), r"row 3 \(p3\), column 'a' is empty"),
        (lambda f: f.to_numpy()[:, :1], r"shape \(30, 1\); expected \(N, 2\)"),
        (lambda f: f.to_numpy()[0], r"shape \(2,\); expected \(N, 2\)"),
        (lambda f: np.array([["x", "y"]]), "expected bool, integers or floats"),
        (lambda f: "nowhere.csv", "nowhere.csv: no such file"),
    ],
)
def test_what_does_not_fit_is_refused(table, change, expected):
    frame, data = table
    with pytest.raises(ValueError, match=expected):
        read_new(change(frame), data)


def test_new_images_are_scaled_and_mapped_as_the_run_s_were(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    generator, folder = np.random.default_rng(0), tmp_path / "images"
    folder.mkdir()
    for number in range(20):
        pixels = generator.integers(0, 256, (9, 11, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    raw = images.load(str(folder), size=8)
    for space in ("bytes", "real", "binary"):
        data = open_dataset(raw, "images", View(space))
        new, again = (read_new(folder, data, size=8) for _ in range(2))
        assert torch.equal(new[:], again[:])  # the noise is drawn once
        assert data.space.contains(new[:]).all()
        row = new.origins.names.tolist().index(data.test.origins[0])
        # The same picture, but for noise: dequantised by less than a level.
        far = (new[row : row + 1] - data.test[:1]).abs().max()
        assert far <= {"bytes": 0, "real": data.quantum, "binary": 1}[space]
    with pytest.raises(ValueError, match=r"values must be whole numbers 0\.\.255"):
        read_new(generator.random((2, 3, 8, 8)), data)
    with pytest.raises(ValueError, match=r"expected \(N, 3, 8, 8\)"):
        read_new(folder, data, size=9)


def test_labels_are_those_that_were_trained_on():
    labels = np.arange(20) % 3
    raw = arrays.RawSplit(np.arange(40.0).reshape(20, 2), labels)
    data = open_dataset(arrays.RawData(raw, raw, raw, None), "arrays", View("real")).with_labels()
    frame = pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0], "y": [2, 0]})
    frame.columns = [0, 1, "y"]
    assert read_new(frame, data, label_column="y").labels.tolist() == [2, 0]
    frame["y"] = [2, 5]
    with pytest.raises(ValueError, match="label 5 is none of those trained on"):
        read_new(frame, data, label_column="y")
    with pytest.raises(ValueError, match="given labels, and there are none"):
        read_new(frame[[0, 1]], data)

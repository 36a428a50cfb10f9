"""A run on a table reads tables: by the names of columns, with what is missing where it is."""

import numpy as np
import pandas as pd
import pytest
import torch

from errors import RequestError
from evidence.batch import Batch
from experiment import train


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    folder = tmp_path_factory.mktemp("table")
    noise = np.random.default_rng(0)
    frame = pd.DataFrame(noise.normal(size=(60, 3)) * 50 + 200, columns=["a", "b", "c"])
    frame["kind"] = ["cat", "dog"] * 30
    frame.to_csv(folder / "t.csv", index=False)
    words = "data=arrays", f"data.path={folder}/t.csv", "data.label_column=kind"
    small = "likelihood=gaussian", "network.width=8", "train.epochs=1", "device=cpu"
    return frame, folder, train(*words, *small, "model=conditional", f"run_dir={folder}/run")


def test_a_table_with_holes_is_filled_in(table, tmp_path):
    frame, _, run = table
    holes = frame.iloc[:5].copy()
    holes.loc[2, "b"] = np.nan
    holes.to_csv(tmp_path / "holes.csv", index=False)
    for given in (holes, tmp_path / "holes.csv"):
        with pytest.raises(RequestError, match=r"column 'b' is empty; .*run\.impute"):
            run.read(given)
        x, y = run.read(given, missing=True)
        assert x.isnan().nonzero().tolist() == [[2, 1]] and y.tolist() == [0, 1, 0, 1, 0]
        found = run.impute((x, y), particles=50)
        assert found.mean[2, 1].isfinite() and torch.equal(found.mean[:2], x[:2])
    exact = torch.tensor(frame[["a", "b", "c"]].to_numpy(np.float32))
    assert torch.equal(run.read(frame)[0], exact) and run.encode(run.read(frame)).shape == (60, 2)


def test_a_frame_is_data_for_the_library_too():
    frame = pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0]})
    assert Batch.of(frame).x.tolist() == Batch.of((frame,)).x.tolist() == [[1.0, 3.0], [2.0, 4.0]]

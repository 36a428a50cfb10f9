"""Where results come from: the names of rows and columns reach every file that is written."""

import csv

import numpy as np
import pandas as pd
import pytest

from experiment import train

NAMES = ["=1+1", "<b>x</b>", "a\nb", "\x1b[2Jc", 'q"uote,', "ü", *(f"p{n}" for n in range(34))]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A table with names and columns that are anybody's, and a run on it, evaluated."""
    folder = tmp_path_factory.mktemp("table")
    values = np.random.default_rng(0).normal(size=(40, 3)) * [1, 100, 0.01]
    frame = pd.DataFrame(values, columns=["a, cm", "<i>b</i>", "c\x1b[31m"])
    frame.insert(0, "who", NAMES)
    frame["kind"] = np.where(np.arange(40) % 2, "odd", "<u>even</u>")
    frame.to_csv(folder / "t.csv", index=False)
    return folder


@pytest.fixture(scope="module")
def evaluated(folder, evaluate):
    words = "data=arrays", "likelihood=gaussian", "train.epochs=1", "network.width=8", "device=cpu"
    own = f"data.path={folder / 't.csv'}", "data.label_column=kind", f"run_dir={folder / 'run'}"
    run = train(*words, *own)
    status, out, error = evaluate(
        folder / "run",
        *("--particles", 8, "--elbo-particles", 4, "--impute", "random:0.5"),
        *("--export", "latents,scores,reconstructions,samples", "--split", "train"),
    )
    assert status == 0, error
    return run, out + error


@pytest.mark.parametrize("what", ["latents", "scores", "reconstructions"])
def test_every_export_names_its_rows(folder, evaluated, what):
    run, _ = evaluated
    table = pd.read_csv(folder / f"run/export-{what}_train.csv", index_col="who")
    with np.load(folder / f"run/export-{what}_train.npz") as arrays:
        assert arrays["name"].tolist() == table.index.tolist()
        if what == "scores":
            np.testing.assert_allclose(table["iwae"], arrays["iwae"], rtol=1e-12)
        if what == "latents":
            np.testing.assert_allclose(table[["z[0]", "z[1]"]], arrays["z"], rtol=1e-6)
    assert set(table.index) <= set(NAMES) and len(set(table.index)) == 32
    source = pd.read_csv(folder / "t.csv", index_col="who").loc[table.index]
    if what == "reconstructions":
        columns = list(run.dataset.columns)
        np.testing.assert_allclose(table[columns], source[columns], rtol=1e-6)
    else:
        assert table["label"].tolist() == source["kind"].tolist()


def test_a_table_with_holes_comes_back_filled_in(folder, evaluated):
    filled = pd.read_csv(folder / "run/imputations_train.csv", index_col="who")
    source = pd.read_csv(folder / "t.csv", index_col="who").loc[filled.index, filled.columns]
    with np.load(folder / "run/imputations_train.npz") as arrays:
        missing = arrays["missing"]
        assert arrays["name"].tolist() == filled.index.tolist()
        assert arrays["columns"].tolist() == filled.columns.tolist()
        np.testing.assert_allclose(filled.to_numpy()[missing], arrays["mean"][missing], rtol=1e-6)
    np.testing.assert_allclose(filled.to_numpy()[~missing], source.to_numpy()[~missing], rtol=1e-6)


def test_names_command_no_terminal_and_no_page(folder, evaluated):
    _, said = evaluated
    page = (folder / "run/report_train.html").read_text()
    assert "\x1b" not in said + page
    for hostile in ("<b>x</b>", "<i>b</i>", "<u>even</u>"):
        assert hostile not in page
    assert "&lt;u&gt;even" in page or "\\u003cu\\u003eeven" in page


def test_pictures_are_called_by_their_files(tmp_path, evaluate, monkeypatch):
    from PIL import Image

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "pictures/a").mkdir(parents=True)
    noise = np.random.default_rng(0)
    for number in range(20):
        pixels = noise.integers(0, 256, (6, 6), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"pictures/a/{number}.png")
    (tmp_path / "pictures/broken.png").write_bytes(b"no picture")
    words = "data=images", "data.grey=true", "data.skip_broken=true", "train.epochs=1"
    words = *words, "likelihood=discretized_logistic", "network.width=8"
    run = train(*words, f"data.path={tmp_path / 'pictures'}", f"run_dir={tmp_path / 'run'}")
    assert any("left out 1 of 21" in note and "broken.png" in note for note in run.dataset.notes)
    assert evaluate(tmp_path / "run", "--particles", 8, "--export", "scores")[0] == 0
    with open(tmp_path / "run/export-scores.csv", newline="") as lines:
        rows = list(csv.DictReader(lines))
    for row, number in zip(rows, range(2), strict=True):
        with Image.open(tmp_path / "pictures" / row["file"]) as image:
            assert np.array_equal(run.dataset.test.stored[number : number + 1][0], image)

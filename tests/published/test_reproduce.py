"""reproduce.py measures, goes on, and writes; the numbers of quick tests are planted."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import reproduce
from errors import TrainingError
from published import running
from published.cell import registry
from published.place import Place
from published.record import read_records, row
from report.published import markdown, table
from tests.data.test_sources import write_mnist_like

CELLS = registry()
NAME = "vamp_minus_standard"


@pytest.fixture
def commands(monkeypatch):
    """What was run: train.py and evaluate.py write planted numbers, and know the command again."""
    ran: list[tuple[str, ...]] = []

    def command(script, *words):
        ran.append((script, *words))
        places = [word.removeprefix("run_dir=") for word in words if "run_dir=" in word]
        path = Path(places[0] if script == "train.py" else words[0])
        if path.name == "gated_standard-seed2" and command.fails:
            raise TrainingError(f"python {script}: ended with status 1")
        path.mkdir(parents=True, exist_ok=True)
        (path / "metrics.jsonl").write_text(json.dumps({"seconds": 30.0}) + "\n")
        device = "A GPU" if path.name == "gated_vamp" else "cpu (2 threads)"
        (path / "environment.json").write_text(json.dumps({"device": device}))
        seed = int(path.name.rpartition("seed")[2] or 0) if "seed" in path.name else 0
        images = np.linspace(-90, -80, 40)
        gain = 2.0 + 0.1 * seed + 0.5 * np.sin(np.arange(40)) if "vamp" in path.name else 0.0
        np.savez(path / "evaluation.npz", iwae=images + gain)

    command.fails = False
    monkeypatch.setattr(running, "command", command)
    return ran, command


def test_a_difference_is_measured_recorded_and_shown(commands, tmp_path, capsys):
    ran, _ = commands
    assert reproduce.main([NAME, "--out", str(tmp_path), "data.root=/tmp"]) == 0
    shown = capsys.readouterr().out
    scripts = [script for script, *_ in ran]
    assert scripts == ["train.py"] * 6 + ["evaluate.py"] * 6
    assert all("data.root=/tmp" in words for _, *words in ran)
    record = json.loads((tmp_path / "published.json").read_text())[NAME]
    assert record["ours"] == pytest.approx(2.1 + 0.5 * np.sin(np.arange(40)).mean())
    assert record["se_images"] == pytest.approx(0.5 * np.sin(np.arange(40)).std(ddof=1) / 40**0.5)
    assert record["se_seeds"] == pytest.approx(0.1 / 3**0.5)
    assert record["verdict"] == "reproduced" and record["num_seeds"] == 3
    assert record["seconds"] >= 180 and record["date"]
    assert record["hardware"].endswith("; trained on A GPU")
    assert any("seed=2" in line for line in record["commands"])
    assert NAME in shown and "reproduced" in shown
    page = (tmp_path / "index.html").read_text()
    assert all(f'id="{name}"' in page for name in CELLS) and "Not measured." in page
    assert ">reproduced (shortened)</td>" in page and ">not measured</td>" in page


@pytest.mark.parametrize(
    "change",
    [
        {"margin": 9.0},
        {"claim": replace(CELLS[NAME].claim, value=1.0)},
        {"evaluate": "--particles 201"},
        {"seeds": (0, 1)},
        {"runs": dict(CELLS[NAME].runs) | {"gated_vamp": "prior=vamp"}},
        {"protocol": {"estimator": "another"}},
        {"measure": replace(CELLS[NAME].measure, minus="")},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_was_measured_by_another_protocol_is_stale(commands, tmp_path, change):
    assert reproduce.main([NAME, "--out", str(tmp_path)]) == 0
    found, cell = read_records(tmp_path)[NAME], CELLS[NAME]
    assert row(cell, found).verdict == row(replace(cell, title="…", found="…"), found).verdict
    stale = row(replace(cell, **change), found)
    assert stale.verdict == "stale" and "then: reproduced" in stale.because and not stale.interval
    assert "stale, because the protocol" in table([stale]) and "| stale (shortened) |" in markdown(
        [stale]
    )
    # What is written beside the number are the commands that measured it.
    assert stale.commands == found.commands == cell.commands()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--out", "{here}/file"], "--out {here}/file: is not a folder"),
        (["--out", "{here}/" + "x" * 300], "cannot be looked up (File name too long)"),
        (["data.root={here}/file"], "data.root={here}/file: is not a folder"),
        (["data.root={here}/absent"], "data.root={here}/absent: no such folder"),
        (["data.root="], "data.root=: no such folder"),
    ],
)
def test_places_that_are_none_are_refused_before_any_work(commands, tmp_path, capsys, words, said):
    (tmp_path / "file").write_text("precious")
    words = [word.replace("{here}", str(tmp_path)) for word in words]
    assert reproduce.main([NAME, *words]) == 2 and not commands[0]
    (line,) = capsys.readouterr().err.splitlines()
    assert said.replace("{here}", str(tmp_path)) in line
    assert [file.read_text() for file in tmp_path.iterdir()] == ["precious"]


def test_a_probe_without_its_data_is_one_line(tmp_path, capsys):
    """It has no command of its own that would say so."""
    out = tmp_path / "out"
    assert reproduce.main(["ppca_images", "--out", str(out), f"data.root={tmp_path}"]) == 1
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "error" in line]
    assert line.startswith(f"error: ppca_images: data.root={tmp_path}: ")


def test_a_command_that_fails_costs_its_cell_alone(commands, tmp_path, capsys):
    _, command = commands
    command.fails = True
    assert reproduce.main([NAME, "gated_vamp", "--out", str(tmp_path)]) == 1
    assert f"error: {NAME}: python train.py" in capsys.readouterr().err
    assert set(read_records(tmp_path)) == {"gated_vamp"}


def test_a_quick_protocol_has_a_folder_of_its_own(commands, tmp_path, capsys):
    ran, _ = commands
    assert reproduce.main(["--quick", NAME, "--out", str(tmp_path)]) == 0
    assert "no verdict here is one" in capsys.readouterr().out
    assert not (tmp_path / "published.json").exists()
    assert read_records(tmp_path / "quick").keys() == {NAME}
    assert all("data.limit=60" in words for script, *words in ran if script == "train.py")
    assert sum("prior.components=5" in words for _, *words in ran) == 3


@pytest.mark.verify
@pytest.mark.parametrize("name", CELLS)
def test_the_commands_of_every_cell_still_work(name, tmp_path_factory):
    """On pictures of noise, in the files' own format."""
    root = tmp_path_factory.getbasetemp() / "noise"
    for folder in ("MNIST", "FashionMNIST"):
        if not (root / folder).exists():
            write_mnist_like(root, folder, train=10_500, test=60)
    out = tmp_path_factory.getbasetemp() / "quick-runs"
    assert reproduce.main(["--quick", name, f"data.root={root}", "--out", str(out)]) == 0
    assert name in read_records(Place(out / "quick").folder)

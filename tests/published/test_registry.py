"""The registry is valid: every command is one of this project; and the list needs no torch."""

import shlex

import pytest
import yaml

from configs.compose import request_from
from errors import RequestError
from evaluate import parser
from published.cell import FOLDER, chosen, registry, takes_a_gpu
from published.record import read_records, row
from published.running import probe_of
from report.published import markdown
from reproduce import main
from tests.conftest import ROOT
from tests.test_documentation import without_torch

CELLS = registry()


@pytest.mark.parametrize("name", CELLS)
def test_every_command_of_a_cell_is_one_of_this_project(name):
    cell = CELLS[name]
    for run in cell.runs:
        for seed in cell.seeds:
            words = cell.train_words(run, seed)
            request = request_from(*words, *shlex.split(cell.quick.get(run, "")))
            assert request.seed == seed
    options = parser().parse_args(["runs/x", *shlex.split(cell.evaluate)])
    of_bounds = not cell.measure.quantity.startswith("diagnostics.classification")
    assert options.particles >= 100 or not of_bounds
    if cell.measure.probe:
        assert callable(probe_of(cell))
    else:
        assert cell.evaluate, "a quantity of a run needs an evaluation"
    for said in (cell.differs, cell.why_margin, cell.claim.by, cell.claim.where, cell.claim.source):
        assert len(said) > 3
    assert {"estimator"} <= cell.protocol.keys() and cell.minutes <= 60


def test_there_are_twenty_cells_and_the_list_names_them_without_torch(command):
    shown = without_torch(command, "reproduce.py", "--list")
    assert shown.returncode == 0, shown.stderr
    assert [line.split()[0] for line in shown.stdout.splitlines()] == [
        cell.name for cell in chosen([], CELLS)
    ]
    assert len(CELLS) >= 20
    assert without_torch(command, "reproduce.py", "--help").returncode == 0


def test_the_list_shows_the_cells_that_are_named(capsys):
    assert main(["--list", "burda_k1"]) == 0
    assert capsys.readouterr().out.count("\n") == 1
    assert main(["burda_k2"]) == 2
    assert "did you mean burda_k1?" in capsys.readouterr().err
    asked = chosen([], CELLS)
    assert sorted(cell.name for cell in asked) == list(CELLS)
    assert "burda_iwae_k50" in {cell.name for cell in asked if takes_a_gpu(cell)}
    assert [*map(takes_a_gpu, asked)] == sorted(map(takes_a_gpu, asked))  # those at the end


def test_the_document_has_what_was_recorded_and_nothing_else():
    """No number stands there that was not measured by the command beside it."""
    records = read_records(ROOT / "docs")
    said = (ROOT / "docs/published.md").read_text()
    assert markdown([row(CELLS[name], record) for name, record in records.items()]) in said


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"margn": 1}, "margn: no such field"),
        ({"margin": 0}, "margin=0: must be positive"),
        ({"measure": {"quantity": "iwae", "of": "other"}}, "a quantity of one of its runs"),
        ({"measure": {"quantity": "iwae", "of": "burda_k1", "minus": "x"}}, "none of its runs"),
        ({"claim": {"value": 1}}, "not a cell"),
        ({"runs": {"burda_k1": "data=digits"}}, "another one elsewhere"),
    ],
)
def test_a_wrong_cell_is_refused_by_name(tmp_path, change, message):
    good = yaml.safe_load((FOLDER / "burda_k1.yaml").read_text())
    (tmp_path / "a.yaml").write_text(yaml.dump(good))
    assert list(registry(tmp_path)) == ["a"]
    (tmp_path / "b.yaml").write_text(yaml.dump({**good, **change}))
    with pytest.raises(RequestError, match=message):
        registry(tmp_path)

"""Figures as they are printed and written down."""

import json

from benchmarks import figures

RECORDS = [{"peer": "Pyro’s", "ms": 1.234, "quartiles": [1.0, 2.0]}, {"peer": "b", "ms": 2.0}]
COLUMNS = {"": "{peer}", "ms": "{ms:.1f}"}


def test_a_table_is_markdown():
    table = figures.table(RECORDS, COLUMNS)
    assert table == "|  | ms |\n|---|---|\n| Pyro’s | 1.2 |\n| b | 2.0 |"


def test_figures_come_back_from_json_with_what_they_depend_on(tmp_path):
    figures.write(tmp_path / "figures.json", "cpu", RECORDS)
    read = json.loads((tmp_path / "figures.json").read_text())
    assert read["records"] == RECORDS
    assert read["environment"] == figures.environment("cpu") and read["environment"]["torch"]
    figures.write(None, "cpu", RECORDS)  # nobody asked for a file
    assert [path.name for path in tmp_path.iterdir()] == ["figures.json"]


def test_what_was_measured_is_kept_when_a_later_table_fails(tmp_path, capsys):
    def tables():
        yield COLUMNS, RECORDS[:1]
        raise KeyboardInterrupt

    try:
        figures.report(tables(), "cpu", tmp_path / "figures.json")
    except KeyboardInterrupt:
        read = json.loads((tmp_path / "figures.json").read_text())
    assert read["records"] == RECORDS[:1]
    assert "| Pyro’s | 1.2 |" in capsys.readouterr().out

"""Tables of numbers: every cell is the file's number under its column's name, or is refused."""

import numpy as np
import pandas as pd
import pytest

from data.sources import arrays
from data.table import read_csv, table_of


@pytest.fixture
def read(tmp_path):
    def of(text, **options):
        file = tmp_path / "table.csv"
        file.write_text(text, encoding="utf-8")
        return table_of(read_csv(file), **options)

    return of


@pytest.mark.parametrize(
    ("text", "columns", "kind", "names"),
    [
        ("a,b\n1,2\n3,4.5\n", ("a", "b"), "row", [0, 1]),
        ("a;b\n1;2\n3;4.5\n", ("a", "b"), "row", [0, 1]),
        ("\ufeffa\tb\n1\t2\n\n3\t4.5\n\n", ("a", "b"), "row", [0, 1]),
        ("1,2\n3,4.5\n", None, "row", [0, 1]),
        ("id,a,b\nx,1,2\ny,3,4.5\n", ("a", "b"), "id", ["x", "y"]),
        (",a,b\n7,1,2\n8,3,4.5\n", ("a", "b"), "index", [7, 8]),  # as DataFrame.to_csv writes it
        ("a,b\nr1,1,2\nr2,3,4.5\n", ("a", "b"), "index", ["r1", "r2"]),  # as R's write.table does
        ('"a, cm",b\n1,2\n3,4.5\n', ("a, cm", "b"), "row", [0, 1]),
        ('"a\nx",b\n1,2\n  \n3,4.5\n', ("a\nx", "b"), "row", [0, 1]),
    ],
)
def test_a_table_has_its_numbers_columns_and_names(read, text, columns, kind, names):
    table = read(text)
    assert table.values.tolist() == [[1, 2], [3, 4.5]]
    assert table.columns == columns
    assert (table.origins.kind, table.origins.names.tolist()) == (kind, names)


def test_columns_with_a_part_of_their_own(read):
    text = "a,who,kind,part\n1,7,u,train\n3,9,v,test\n"
    table = read(text, index="who", label_column="kind", split_column="part")
    assert table.columns == ("a",) and table.values.tolist() == [[1], [3]]
    assert table.origins[1] == "who 9" and table.labels.tolist() == ["u", "v"]
    assert table.parts.tolist() == ["train", "test"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("id,a,b\nx,1,2\ny,NA,4\n", r"row 1 \(y\), column 'a' is no number: 'NA'"),
        ("a,b\n1,2\n3,\n", r"row 1, column 'b' is empty; missing entries .* fill them in"),
        ("a,b\n1,2\n3\n", "line 3 has 1 cell, the header has 2"),
        ("a;b\n1,5;2\n3;4\n", r"row 0, column 'a' is no number: '1,5' \(write 1.5\)"),
        ("a,b\n1,2\n3,inf\n", r"row 1, column 'b' is no number: 'inf'"),
        ("a,b\n" + "x,1\n" * 9 + "1,1\n", "column 'a' is no number: 'x' and 6 more"),
        ("a,note\n1,hi\n3,ho\n", r"no numbers in 'note'; .*data.index=COLUMN"),
        ("a,a\n1,2\n3,4\n", "several columns are called 'a'"),
        ("a,b\n1,2\n3,4,5\n", "line 3 has 3 cells, the header has 2"),
        ("price,b,c\n1,100,-0.132,0.640\n", "line 2 has 4 cells, the header has 3"),
        ("a,b\nr1,1,2\n2,1,2\n", "line 3 has 3 cells, the header has 2"),
        ("a,b\nr1,1,2\n1,2\n", "line 3 has 2 cells, the header has 2"),
        ("# made by me\na,b,c\n1,2,3\n", "line 2 has 3 cells, the header has 1"),
        ("a,b\n", "no rows of numbers"),
        ("", "cannot be read as a table"),
    ],
)
def test_what_is_no_number_is_refused_by_its_row_and_column(read, text, expected):
    with pytest.raises(ValueError, match=expected):
        read(text)


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        ([1.0, None], "row 1, column 'a' is empty"),
        (pd.array([1, None], dtype="Int64"), "row 1, column 'a' is empty"),
        (pd.to_datetime(["2020-01-01", "2021-01-01"]), "no numbers in 'a'"),
        ([1j, 2], "no numbers in 'a'"),
    ],
)
def test_a_frame_is_refused_likewise(column, expected):
    with pytest.raises(ValueError, match=expected):
        table_of(pd.DataFrame({"a": column, "b": [1, 2]}))


def test_a_frame_keeps_its_index_and_exact_types():
    frame = pd.DataFrame(
        {"a": pd.array([2**24 + 1, 3], "Int64"), "b": [True, False]}, index=["u", "v"]
    )
    table = table_of(frame)
    assert table.values.dtype.kind == "i" and table.values.tolist() == [[2**24 + 1, 1], [3, 0]]
    assert table.origins.names.tolist() == ["u", "v"]


def table_file(folder, rows=40):
    frame = pd.DataFrame(
        {
            "id": [f"p{n}" for n in range(rows)],
            "age": np.arange(rows) * 2.0,
            "height": np.arange(rows) + 150.5,
            "sex": np.where(np.arange(rows) % 3, "f", "m"),
            "fold": np.array(["train", "valid", "train", "test"])[np.arange(rows) % 4],
        }
    )
    frame.to_csv(folder / "t.csv", index=False)
    return str(folder / "t.csv"), frame


def test_rows_keep_their_names_wherever_they_go(tmp_path):
    path, frame = table_file(tmp_path)
    by_name = frame.set_index("id")
    for split_by in ("permutation", "order", "fold"):
        path, _ = table_file(tmp_path)
        if split_by != "fold":
            frame.drop(columns="fold").to_csv(path, index=False)
        raw = arrays.load(path, label_column="sex", split_by=split_by)
        assert raw.columns == ("age", "height")
        assert sum(map(len, raw.splits.values())) == len(frame)
        for part, split in raw.splits.items():
            for number in range(len(split)):
                row = by_name.loc[split.named[number]]
                assert split.values[number].tolist() == [row.age, row.height]
                assert split.labels[number] == row.sex
                assert split_by != "fold" or row.fold == part


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"split_by": "fold", "label_column": "sex"}, "split_by=fold: the column must say train, "),
        ({"split_by": "nothing"}, "split_by=nothing: no such column; there are 'id', 'age'"),
        ({"index": "nothing"}, "index=nothing: no such column"),
        ({"label_column": "sex"}, "path=.*: no numbers in 'fold'"),
    ],
)
def test_columns_that_cannot_be_used_so(tmp_path, options, expected):
    path, frame = table_file(tmp_path)
    frame.replace("valid", "validation").to_csv(path, index=False)
    with pytest.raises(ValueError, match=expected):
        arrays.load(path, **options)


def test_only_tables_have_columns(tmp_path):
    np.save(tmp_path / "x.npy", np.ones((20, 2)))
    for option in ("index", "label_column", "split_by"):
        with pytest.raises(ValueError, match=rf"{option}=a: .*only a \.csv"):
            arrays.load(str(tmp_path / "x.npy"), **{option: "a"})


def test_what_was_taken_how_is_said(tmp_path):
    path, frame = table_file(tmp_path)
    frame.insert(1, "number", range(len(frame)))
    frame.drop(columns="fold").to_csv(path, index=False)
    said = " | ".join(arrays.load(path, label_column="sex").notes)
    assert "columns: 'number', 'age', 'height'; rows are named by 'id'" in said
    assert "'number' counts the rows, and is trained on; data.index=number" in said

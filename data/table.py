"""A table of numbers with named columns: a .csv file, or a pandas DataFrame.

A table is numbers alone, but for columns with a part of their own: the names of its rows, their
labels, and the splits that they belong to.
"""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from data.names import MISSING
from data.origins import ROW, Origins

if TYPE_CHECKING:
    from _csv import Reader

    from pandas import DataFrame, Index, Series

SUFFIXES = (".csv", ".tsv")
SEPARATORS = ",;\t"
LONGEST_HEADER = 10_000_000  # characters
# Cells, and columns, that a message names.
MOST_NAMED, MOST_LISTED = 3, 8


@dataclass(frozen=True)
class Table:
    """Rows of numbers `(N, D)`, and what the other columns say of each row.

    `columns` are the names of the numbers, and None where a file has no line of names. `labels`
    and `parts`, the names of splits, are there where columns of them were asked for.
    """

    values: np.ndarray
    columns: tuple[str, ...] | None
    origins: Origins
    labels: np.ndarray | None = None
    parts: np.ndarray | None = None

    @property
    def notes(self) -> list[str]:
        """What a user should know of how the file was taken, in one line each."""
        named = f"rows are named by {self.origins.kind!r}" if self.origins.kind != ROW else ""
        if self.columns is None:
            return ["the first line is all numbers, and taken for a row", named][: 1 + bool(named)]
        counts = [
            name
            for name, column in zip(self.columns, self.values.T, strict=True)
            if len(column) > 2 and (np.diff(column) == 1).all()
        ]
        return [
            f"columns: {listed(self.columns)}" + (f"; {named}" if named else ""),
            *(
                f"{name!r} counts the rows, and is trained on; data.index={name} names them by it"
                for name in counts[:1]
            ),
        ]


def read_csv(file: Path) -> "DataFrame":
    """Returns the table in `file`, whose cells are separated by commas, semicolons or tabs.

    The first row names the columns, unless it is all numbers. Every other one has as many cells, or
    a name before them.

    Raises:
        ValueError: the file is no such table; the message says why.
    """
    import pandas as pd

    try:
        with open(file, encoding="utf-8-sig", newline="") as lines:
            start = io.StringIO(lines.read(LONGEST_HEADER), newline="")
            headers = {one: _header(start, one) for one in SEPARATORS}
            separator = max(SEPARATORS, key=lambda one: len(headers[one]))
            header = headers[separator]
            lines.seek(0)
            names_first = _names_first(csv.reader(lines, delimiter=separator), len(header))
        named = not all(map(_is_number, header))
        frame = pd.read_csv(
            file,
            sep=separator,
            header=0 if named else None,
            index_col=None if names_first else False,  # with None pandas finds names of its own
            encoding="utf-8-sig",
            keep_default_na=False,  # "NA" is a text; an empty cell is one of length 0
            float_precision="round_trip",
            low_memory=False,
        )
    except UnicodeDecodeError as error:
        raise ValueError("is not UTF-8; save it as such") from error
    except (OSError, csv.Error, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise ValueError(f"cannot be read as a table ({' '.join(str(error).split())})") from error
    if named:
        frame.columns = [name.strip() for name in header]  # pandas calls one without a name else
    return frame


def _header(start: io.StringIO, separator: str) -> list[str]:
    """Returns the cells of the first row that is not blank; one may hold the end of a line."""
    start.seek(0)
    return next(filter(_is_row, csv.reader(start, delimiter=separator)), [])


def _is_row(cells: list[str]) -> bool:
    """Whether a line is more than blanks, which pandas leaves out."""
    return len(cells) > 1 or any(map(str.strip, cells))


def _names_first(lines: "Reader", width: int) -> bool:
    """Whether every row has its name before `width` cells, as R writes them: no number is one.

    Raises:
        ValueError: a row has more cells than the first one, or fewer.
    """
    rows = filter(_is_row, lines)
    next(rows, None)
    wider = None
    for cells in rows:
        if wider is None:
            wider = len(cells) == width + 1 and not _is_number(cells[0])
        if len(cells) != width + wider or (wider and _is_number(cells[0])):
            s = "" if len(cells) == 1 else "s"
            raise ValueError(
                f"line {lines.line_num} has {len(cells)} cell{s}, the header has {width}"
            )
    return bool(wider)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def table_of(
    frame: "DataFrame",
    index: str | None = None,
    label_column: str | None = None,
    split_column: str | None = None,
    missing: bool = False,
) -> Table:
    """Returns the numbers of `frame`, apart from its columns of names, labels and splits.

    Without `index` rows are named by the index of the frame, if it has one of its own, or else by
    the first column if it has no name or is text, a different one in each row. With `missing`,
    empty cells become NaN.

    Raises:
        ValueError: a column is not there, or a cell is no number; the message names both.
    """
    names = [str(name) for name in frame.columns]
    for option, column in (
        ("index", index),
        ("label_column", label_column),
        ("split_by", split_column),
    ):
        if column is not None and column not in names:
            raise ValueError(f"{option}={column}: no such column; there are {listed(names)}")
    if twice := {name for name in names if names.count(name) > 1}:
        raise ValueError(f"several columns are called {min(twice)!r}; rename them")
    if index is None and names and _names_rows(frame, names[0]):
        index = names[0]
    apart = {index, label_column, split_column}
    numbers = [name for name in names if name not in apart]
    if not numbers or not len(frame):
        raise ValueError(f"no rows of numbers; its columns are {listed(names)}")
    by_name = dict(zip(names, (frame[column] for column in frame.columns), strict=True))
    origins = _origins(frame.index if index is None else by_name[index], index)
    values = _numbers([by_name[name] for name in numbers], numbers, origins, missing)
    unnamed = frame.columns.inferred_type == "integer"
    return Table(
        values,
        None if unnamed else tuple(numbers),
        origins,
        None if label_column is None else _plain(by_name[label_column]),
        None if split_column is None else _plain(by_name[split_column]).astype(str),
    )


def _names_rows(frame: "DataFrame", first: str) -> bool:
    """Whether the first column names the rows: there is nothing else that does, and it can."""
    import pandas as pd

    if not isinstance(frame.index, pd.RangeIndex):
        return False
    column = frame.iloc[:, 0]
    text = not pd.api.types.is_numeric_dtype(column) and column.is_unique
    return first == "" or (text and bool(pd.to_numeric(column, errors="coerce").isna().all()))


def _origins(names: "Series | Index", column: str | None) -> Origins:
    import pandas as pd

    if isinstance(names, pd.RangeIndex):
        return Origins.counted(len(names))
    return Origins(column or str(names.name or "index"), _plain(names))


def _plain(column: "Series | Index") -> np.ndarray:
    """Returns whole numbers as such, and everything else as text."""
    values = column.to_numpy()
    return values if values.dtype.kind in "iu" else values.astype(str)


def _numbers(
    columns: "Sequence[Series]", names: Sequence[str], origins: Origins, missing: bool
) -> np.ndarray:
    """Returns the columns side by side, with NaN for empty cells if there may be some `missing`.

    Raises:
        ValueError: some cells are no numbers, of which the first ones are named.
    """
    found = [_number_column(column) for column in columns]
    bad = np.column_stack([wrong for _, wrong in found])
    empty = np.zeros_like(bad)
    for number in np.flatnonzero(bad.any(0)).tolist():
        empty[:, number] = columns[number].isna() | (columns[number].astype(str) == "")
    if not (bad & ~(empty & missing)).any():
        return np.column_stack([numbers for numbers, _ in found])
    text = [n for n, whole in zip(names, (bad | empty).all(0), strict=True) if whole]
    if text:
        raise ValueError(
            f"no numbers in {listed(text)}; let it name the rows (data.index=COLUMN), colour the "
            "figures (data.label_column=COLUMN), or leave it out of the table"
        )
    shown = []
    for row, number in np.argwhere(bad)[:MOST_NAMED].tolist():
        what = "is empty"
        if not empty[row, number]:
            value = str(columns[number].iloc[row])
            pointed = value.replace(",", ".")
            write = f" (write {pointed})" if pointed != value and _is_number(pointed) else ""
            what = f"is no number: {value!r}{write}"
        shown.append(f"{cell(origins, row, names[number])} {what}")
    more = f" and {bad.sum() - MOST_NAMED:,} more" if bad.sum() > MOST_NAMED else ""
    mend = f"; {MISSING}" if empty.any() else ""
    raise ValueError(f"{'; '.join(shown)}{more}{mend}")


def _number_column(column: "Series") -> tuple[np.ndarray, np.ndarray]:
    """Returns the numbers in a column, and where there are none."""
    import pandas as pd

    types = pd.api.types
    if (values := column.to_numpy()).dtype.kind in "buif":
        return values, ~np.isfinite(values)
    if any(is_one(column) for is_one in (types.is_object_dtype, types.is_string_dtype)) or (
        types.is_numeric_dtype(column) and values.dtype.kind != "c"
    ):
        numbers = pd.to_numeric(column, errors="coerce").to_numpy(np.float64, na_value=np.nan)
        return numbers, ~np.isfinite(numbers)
    return np.zeros(len(column)), np.ones(len(column), bool)  # dates, say


def cell(origins: Origins, row: int, column: str) -> str:
    """Returns what a cell is called: by its row and its column."""
    named = "" if origins.kind == ROW else f" ({origins[row]})"
    number = origins.names[row] if origins.kind == ROW else row
    return f"row {number}{named}, column {column!r}"


def listed(names: Sequence[str]) -> str:
    """Returns the first of `names`, quoted, and how many more there are."""
    more = f" and {len(names) - MOST_LISTED} more" if len(names) > MOST_LISTED else ""
    return ", ".join(map(repr, names[:MOST_LISTED])) + more

"""A user's own numbers, one datum a row: .npy (memory-mapped), .npz, or a table as .csv.

Pickled objects are refused and never loaded.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from data.drift import drift
from data.labels import distinct, plain_labels
from data.names import SPLITS
from data.numbers import check_levels, check_numbers, own_levels
from data.places import no_file
from data.raw import RawData, RawSplit, by_tenths, permuted
from data.table import SUFFIXES as TABLES
from data.table import Table, read_csv, table_of
from data.view import in_bytes

SPLIT_BY = ("permutation", "order")
SUFFIXES = (".npy", ".npz", *TABLES)
Splits = tuple[RawSplit, RawSplit, RawSplit]


@dataclass(frozen=True)
class Found:
    """What a file holds: its splits by name, or all of it as `x`; what a user should know of it."""

    splits: dict[str, RawSplit]
    notes: list[str] = field(default_factory=list)
    columns: tuple[str, ...] | None = None


def load(
    path: str | None,
    labels: str | None = None,
    levels: int | None = None,
    split_by: str = "permutation",
    standardise: bool = True,
    memory_limit: int | str | None = "4GB",
    index: str | None = None,
    label_column: str | None = None,
) -> RawData:
    """Returns the data in the file `path`.

    A .npy file holds one array `(N, …)`, and `labels` may name a second .npy file with a label for
    each row. A .npz file holds the arrays `train`, `valid`, `test` (and `train_labels`, …), or one
    array `x` (and `labels`). A .csv file is a table of numbers; the columns `index` and
    `label_column` name its rows and label them (see `data.table`).

    One array is split into tenths: the last is the test split and the one before it the validation
    split. They are tenths of a random permutation, always the same one, or of the file as it is if
    `split_by` is `order`. If it is a column of a table, that says the split of each row. An array
    of a .npy file that takes more than `memory_limit` is streamed, and always split as it is.

    Values of type uint8 have 256 grey levels and booleans have 2, unless `levels` says otherwise;
    other numbers are taken as they are. With `standardise` networks see and make real columns in
    standard units if they are far from those; the density keeps the units of the file.
    """
    if not path:
        raise ValueError(f"path=null: must name your data, FILE{', FILE'.join(SUFFIXES)}")
    file = readable(path)
    of_table = {"index": index, "label_column": label_column}
    if split_by not in SPLIT_BY:
        of_table["split_by"] = split_by
    if file.suffix in TABLES:
        found = _found_in_table(file, labels, **of_table)
    else:
        for option, column in of_table.items():
            if column is not None:
                other = f"choose from {', '.join(SPLIT_BY)}; " if option == "split_by" else ""
                raise ValueError(f"{option}={column}: {other}only a .csv file has columns")
        found = _found(file, labels)
    splits, notes = found.splits, found.notes
    values = [np.asanyarray(split.values) for split in splits.values()]
    for name, array in zip(splits, values, strict=True):
        part = f" ({name})" if len(splits) > 1 else ""
        check_numbers(f"path={file}{part}", array, found.columns)
    if "x" in splits:
        streamed = file.suffix == ".npy" and _bytes(splits["x"]) > in_bytes(memory_limit)
        train, valid, test = _split(file, splits["x"], split_by == "order" or streamed)
        if streamed:
            notes.append(
                "the file is streamed and split as it is: its last tenth is the test split"
            )
    else:
        train, valid, test = (splits[part] for part in SPLITS)
    shapes = {part: split.values.shape[1:] for part, split in splits.items()}
    if len(set(shapes.values())) > 1:
        raise ValueError(f"path={path}: the splits differ in the shape of a datum: {shapes}")
    if levels is None:
        levels = own_levels(path, values)
    else:
        check_levels(f"path={path}", values, levels)
    if "x" not in splits or streamed or split_by == "order":
        parts = {"validation": valid, "test": test}
        differ = [drift(train, part, name, found.columns) for name, part in parts.items()]
        notes += [line for line in differ if line is not None]
    notes = [_map(values[0].dtype, levels), *notes]
    return RawData(
        train,
        valid,
        test,
        levels,
        notes=tuple(notes),
        standardise=standardise and levels is None,
        columns=found.columns,
    )


def readable(path: str) -> Path:
    """Returns the file that `path` names.

    Raises:
        ValueError: it is not there, or of no kind that is read.
    """
    if why := no_file(Path(path)):
        raise ValueError(f"path={path}: {why}")
    file = Path(path).expanduser()
    if file.suffix not in SUFFIXES:
        raise ValueError(f"path={path}: expected a {', '.join(SUFFIXES)} file")
    return file


def read_whole(file: Path) -> RawSplit:
    """Returns the one array in a .npy or .npz file, with its labels if it has any."""
    splits = _found(file, None).splits
    if "x" not in splits:
        raise ValueError(f"path={file}: expected one array, x")
    return splits["x"]


def _read_table(
    file: Path, index: str | None, label_column: str | None, split_by: str | None
) -> Table:
    """Returns the table in `file` (see `data.table.table_of`)."""
    try:
        return table_of(read_csv(file), index, label_column, split_by)
    except ValueError as error:
        if str(error).startswith(("index=", "label_column=", "split_by=")):
            raise
        raise ValueError(f"path={file}: {error}") from error


def _found_in_table(
    file: Path,
    labels: str | None,
    index: str | None,
    label_column: str | None,
    split_by: str | None = None,
) -> Found:
    table = _read_table(file, index, label_column, split_by)
    if labels is not None and label_column is not None:
        raise ValueError(f"label_column={label_column}: labels={labels} has them already; say one")
    known = table.labels
    if labels is not None:
        known = read_npy("labels", Path(labels).expanduser())
    where = f"labels={labels}: " if labels is not None else f"path={file}: "
    whole = RawSplit(
        table.values,
        _checked_labels(where, "x", {"x": table.values, "labels": known}),
        table.origins,
    )
    if table.parts is None:
        return Found({"x": whole}, table.notes, table.columns)
    if set(table.parts.tolist()) != set(SPLITS):
        there = ", ".join(sorted(set(table.parts.tolist()))[:5])
        raise ValueError(
            f"split_by={split_by}: the column must say {', '.join(SPLITS)} in each row, and each "
            f"of them somewhere; it says {there}"
        )
    splits = {part: whole.rows(table.parts == part) for part in SPLITS}
    return Found(splits, table.notes, table.columns)


def _map(kind: np.dtype, levels: int | None) -> str:
    """Says how the file's values become those that a model sees."""
    if levels is not None:
        return f"values are the file's ({kind}), as grey levels 0..{levels - 1}"
    rounded = ", rounded to float32" if kind.kind == "f" and kind.itemsize > 4 else ""
    return f"values are the file's ({kind}){rounded}"


def _bytes(split: RawSplit) -> int:
    """Returns what the values take in memory."""
    small = split.values.dtype in (np.uint8, np.bool_)
    return int(np.prod(split.values.shape, dtype=np.int64)) * (1 if small else 4)


def _split(file: Path, whole: RawSplit, as_it_is: bool) -> Splits:
    if not as_it_is:
        whole = permuted(whole, np.random.default_rng(0).permutation(len(whole)))
    return by_tenths(str(file), whole)


def _found(file: Path, labels: str | None) -> Found:
    if file.suffix == ".npy":
        arrays = {"x": read_npy("path", file)}
        notes = []
    else:
        arrays = _read_archive(file)
        used = SPLITS if set(SPLITS) <= set(arrays) else ("x",)
        if not set(used) <= set(arrays):
            raise ValueError(
                f"path={file}: expected arrays train, valid, test, or x; "
                f"found {', '.join(sorted(arrays)) or 'none'}"
            )
        known = {*used, *(_labels_of(name) for name in used)}
        others = sorted(set(arrays) - known)
        notes = [f"arrays of the file that are not used: {', '.join(others)}"] if others else []
        arrays = {name: values for name, values in arrays.items() if name in known}
    if labels is not None:
        if "labels" in arrays or "x" not in arrays:
            inside = "labels" if "x" in arrays else ", ".join(_labels_of(part) for part in SPLITS)
            raise ValueError(
                f"labels={labels}: {file} has arrays of its own for them ({inside}); "
                "use those and leave data.labels out"
            )
        arrays["labels"] = read_npy("labels", Path(labels).expanduser())
    names = [name for name in ("x", *SPLITS) if name in arrays]
    where = f"path={file}: " if labels is None else f"labels={labels}: "
    found = {
        name: RawSplit(_checked(file, name, arrays[name]), _checked_labels(where, name, arrays))
        for name in names
    }
    try:
        distinct(split.labels for split in found.values())
    except ValueError as error:
        raise ValueError(f"{where}labels: {error}") from error
    return Found(found, notes)


def _labels_of(name: str) -> str:
    return "labels" if name == "x" else f"{name}_labels"


def _checked(file: Path, name: str, values: np.ndarray) -> np.ndarray:
    if values.dtype.kind not in "buif":
        raise ValueError(
            f"path={file}: {name} has dtype {values.dtype}, expected bool, integers or floats"
        )
    if values.ndim < 2:
        raise ValueError(
            f"path={file}: {name} has shape {values.shape}, expected (examples, dimensions…)"
        )
    if 0 in values.shape:
        raise ValueError(f"path={file}: {name} is empty, shape {values.shape}")
    return values


def _checked_labels(
    where: str, name: str, arrays: Mapping[str, np.ndarray | None]
) -> np.ndarray | None:
    labels, values = arrays.get(_labels_of(name)), arrays[name]
    try:
        return None if labels is None or values is None else plain_labels(labels, len(values))
    except ValueError as error:
        raise ValueError(f"{where}{_labels_of(name)}: {error}") from error


def read_npy(option: str, file: Path) -> np.ndarray:
    """Returns the array in a .npy file; what it is refused for begins with `option`."""
    if why := no_file(file):
        raise ValueError(f"{option}={file}: {why}")
    try:
        return np.lib.format.open_memmap(file, mode="r")  # reads .npy and nothing else, no pickles
    except Exception as error:  # a damaged file may bring about any of them
        raise ValueError(
            f"{option}={file}: not a readable array of numbers ({_first_line(error)})"
        ) from error


def _read_archive(file: Path) -> dict[str, np.ndarray]:
    try:
        with open(file, "rb") as stream, np.load(stream, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except Exception as error:
        raise ValueError(
            f"path={file}: not a readable archive of arrays ({_first_line(error)})"
        ) from error


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__

"""Data that are in no split: a file, an array or a table, under the map that a data set states."""

import hashlib
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeGuard, Union

import numpy as np
import torch
from torch import Tensor

from data.dataset import Dataset, check_values, numbered, to_tensor
from data.labels import plain_labels
from data.names import SPLITS
from data.numbers import check_levels, check_numbers
from data.observation import as_float
from data.origins import Origins
from data.picture import read_picture
from data.places import no_file, no_folder
from data.raw import RawSplit, as_stored, blocks
from data.sources import arrays, images
from data.split import Split
from data.storage import InMemory
from data.table import SUFFIXES as TABLES
from data.table import listed, read_csv, table_of

if TYPE_CHECKING:
    from pandas import DataFrame


# New data: a file or a folder, or the numbers themselves, a row a datum.
New = Union[str, Path, np.ndarray, Tensor, "DataFrame", Sequence[object]]


@dataclass(frozen=True)
class Reader:
    """How new data are read for a data set: the options of `data` by these names.

    A table need not have the columns that they name. `missing` lets through what is missing: NaN,
    and empty cells.
    """

    size: int | None = None
    label_column: str | None = None
    split_by: str | None = None
    skip_broken: bool = False
    missing: bool = False

    def read(self, given: New, data: Dataset, labels: New | None = None) -> RawSplit:
        """Returns new data as they are stored.

        Arguments:
            given: a .npy, .npz or .csv file, an image or a folder of images, an array (N, …), or a
                DataFrame. The columns of a table must be those of `data`, by name and in order.
            data: what the run was trained on.
            labels: a label for each datum, or a .npy file of them, where `given` has none.

        Raises:
            ValueError: they are not of the kind of `data`; the message begins with what was given.
        """
        with beginning(given):
            raw = self._read(given, data)
        if labels is None:
            return raw
        if raw.labels is not None:
            raise ValueError("labels: the data have labels of their own; leave these out")
        if isinstance(labels, str | Path):
            labels = arrays.read_npy("labels", Path(labels).expanduser())
        try:
            return replace(raw, labels=plain_labels(np.asarray(labels), len(raw)))
        except ValueError as error:
            raise ValueError(f"labels: {error}") from error

    def _read(self, given: New, data: Dataset) -> RawSplit:
        if not isinstance(given, str | Path):
            if is_frame(given):
                return self._of_table(given, data)
            return RawSplit(as_rows(given))
        grey, path = len(data.shape) == 2, Path(given).expanduser()
        if no_folder(path) is None:
            return images.read_folder(path, self.size, grey, self.skip_broken)
        if path.suffix.lower() in images.SUFFIXES and no_file(path) is None:
            one = read_picture(path, self.size, grey)
            return RawSplit(one[None], origins=Origins("file", np.array([path.name])))
        file = arrays.readable(str(given))
        if file.suffix in TABLES:
            return self._of_table(read_csv(file), data)
        return arrays.read_whole(file)

    def _of_table(self, frame: "DataFrame", data: Dataset) -> RawSplit:
        """Returns the rows of a table with the columns of `data`, and maybe others that it had."""
        there = {str(name) for name in frame.columns}
        index, labels, split = (
            name if name in there else None
            for name in (data.test.origins.kind, self.label_column, self.split_by)
        )
        table = table_of(frame, index, labels, split, self.missing)
        if data.columns is not None and table.columns != data.columns:
            names = table.columns or tuple(map(str, range(table.values.shape[1])))
            lacking = [name for name in data.columns if name not in names]
            extra = [name for name in names if name not in data.columns]
            what = f"lacks {listed(lacking)}" if lacking else f"has {listed(extra)} besides"
            if not lacking and not extra:
                what = f"has them in another order, {listed(names)}"
            raise ValueError(f"{what}; the columns of the run are {listed(data.columns)}")
        return RawSplit(table.values, table.labels, table.origins)


def is_frame(given: object) -> "TypeGuard[DataFrame]":
    """Whether this is a DataFrame; pandas is imported only if somebody else has done so."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(given, pandas.DataFrame)


def as_rows(given: object) -> np.ndarray:
    """Returns values that are in memory as an array of numbers, a row a datum.

    Raises:
        ValueError: they are no numbers.
    """
    if isinstance(given, str | Path):
        raise ValueError(f"{given}: expected numbers; run.read reads them from a file")
    try:
        array = np.asarray(given.detach().cpu() if isinstance(given, Tensor) else given)
    except ValueError as error:  # rows of different lengths
        raise ValueError("expected numbers in rows of one length") from error
    if array.dtype.kind not in "buif":
        raise ValueError(f"expected bool, integers or floats in every column, got {array.dtype}")
    return array


@contextmanager
def beginning(given: object) -> Iterator[None]:
    """Lets the message of a ValueError begin with what was given."""
    what = f"{given}" if isinstance(given, str | Path) else "the data given"
    try:
        yield
    except ValueError as error:
        why = str(error).removeprefix(f"path={given}: ").removeprefix("new data: ")
        raise ValueError(f"{what}: {why}") from error


def placed(raw: RawSplit, data: Dataset, seed: int = 0, missing: bool = False) -> Split:
    """Returns `raw` in the space of `data`; its noise is drawn once.

    With `missing` there may be NaN, which stays NaN.

    Raises:
        ValueError: the shape, a value or a label is not one that `data` could have.
    """
    values = np.asanyarray(raw.values)
    check_shape(values.shape, data)
    lost = np.isnan(values) if missing and values.dtype.kind == "f" else np.zeros((), bool)
    values = np.where(lost, 0, values) if lost.any() else values
    check_numbers("new data", values, data.columns)
    stored = InMemory(to_tensor(values))
    if data.stored_levels is None:
        where = f"space {data.space.name}: new data"
        check_values(where, stored, data.space.name, raw.named, data.columns, [stored])
    else:
        check_levels("new data", [values], data.stored_levels)
    labels = _labels(raw, data)
    numbers = None if labels is None else numbered(labels, np.array(data.classes))
    split = Split(
        stored, numbers, data.observation.draw, raw.named, given_labels=data.test.given_labels
    )
    # A seed of their own, after those of the splits.
    split = split.drawn_once(data.observation, seed + len(SPLITS))
    if lost.any():
        x = as_float(split.batch(slice(None)).x).masked_fill(torch.from_numpy(lost), torch.nan)
        split = replace(split, stored=InMemory(x), draw=as_float)
    return split.to(data.test.device)


def check_shape(found: tuple[int, ...], data: Dataset) -> None:
    """Raises ValueError unless `found` is the shape of some data like those of `data`."""
    if found[1:] != data.shape or not found or not found[0]:
        expected = ", ".join(map(str, ("N", *data.shape)))
        single = "; x[None] is a row of one" if found == data.shape else ""
        raise ValueError(f"shape {found}; expected ({expected}), as the run's data{single}")


def digest_of(raw: RawSplit) -> str:
    """Returns a SHA-256 of values and labels as they are stored."""
    values = np.asanyarray(raw.values)
    found = hashlib.sha256(repr(values.shape).encode())
    for _, block in blocks(values):
        found.update(np.ascontiguousarray(as_stored(block)).data)
    found.update(repr(None if raw.labels is None else raw.labels.tolist()).encode())
    return found.hexdigest()


def _labels(raw: RawSplit, data: Dataset) -> np.ndarray | None:
    """Returns the labels, all of which are classes of `data`; None if they are not."""
    needed = data.test.given_labels
    if raw.labels is None:
        if needed:
            raise ValueError(
                "the model is given labels, and there are none; name or pass one for each datum"
            )
        return None
    labels = plain_labels(raw.labels, len(raw))
    unknown = [label for label in np.unique(labels).tolist() if label not in data.classes]
    if unknown and needed:
        known = ", ".join(map(str, data.classes[:10]))
        raise ValueError(f"label {unknown[0]!r} is none of those trained on ({known})")
    return None if unknown else labels

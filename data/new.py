"""Data that are in no split: a file, an array or a table, under the map that a data set states."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor

from data.dataset import Dataset, check_values, numbered, to_tensor
from data.labels import plain_labels
from data.names import SPLITS
from data.numbers import check_levels, check_numbers
from data.raw import RawSplit
from data.sources import arrays, images
from data.split import Split
from data.storage import InMemory
from data.table import SUFFIXES as TABLES
from data.table import listed, read_csv, table_of

if TYPE_CHECKING:
    from pandas import DataFrame


def read_new(
    given: "str | Path | np.ndarray | Tensor | DataFrame",
    data: Dataset,
    size: int | None = None,
    label_column: str | None = None,
    split_by: str | None = None,
    skip_broken: bool = False,
    seed: int = 0,
) -> Split:
    """Returns new data in the space of `data`, by the map that its own came there.

    Arguments:
        given: a .npy, .npz or .csv file, a folder of images, an array (N, …), or a DataFrame. The
            columns of a table must be those of `data`, by name and in their order.
        data: what the run was trained on.
        size, label_column, split_by, skip_broken, seed: the options of `data` by these names; a
            table need not have the columns that they name.

    Raises:
        ValueError: they are not of the kind of `data`; the message begins with what was given.
    """
    what = f"{given}" if isinstance(given, str | Path) else "the data given"
    try:
        if isinstance(given, np.ndarray | Tensor):
            raw = RawSplit(np.asarray(given))
        elif not isinstance(given, str | Path):
            raw = _of_table(given, data, label_column, split_by)
        elif (path := Path(given).expanduser()).is_dir():
            raw = images.read_folder(path, size, len(data.shape) == 2, skip_broken)
        elif (file := arrays.readable(str(given))).suffix in TABLES:
            raw = _of_table(read_csv(file), data, label_column, split_by)
        else:
            raw = arrays.read_whole(file)
        return placed(raw, data, seed)
    except ValueError as error:
        raise ValueError(f"{what}: {str(error).removeprefix(f'path={given}: ')}") from error


def _of_table(
    frame: "DataFrame", data: Dataset, label_column: str | None, split_by: str | None
) -> RawSplit:
    """Returns the rows of a table that has the columns of `data`, and may have others it had."""
    there = {str(name) for name in frame.columns}
    index, labels, split = (
        name if name in there else None for name in (data.test.origins.kind, label_column, split_by)
    )
    table = table_of(frame, index, labels, split)
    if data.columns is not None and table.columns != data.columns:
        names = table.columns or tuple(map(str, range(table.values.shape[1])))
        lacking = [name for name in data.columns if name not in names]
        extra = [name for name in names if name not in data.columns]
        what = f"lacks {listed(lacking)}" if lacking else f"has {listed(extra)} besides"
        if not lacking and not extra:
            what = f"has them in another order, {listed(names)}"
        raise ValueError(f"{what}; the columns of the run are {listed(data.columns)}")
    return RawSplit(table.values, table.labels, table.origins)


def placed(raw: RawSplit, data: Dataset, seed: int = 0) -> Split:
    """Returns `raw` in the space of `data`; its noise is drawn once.

    Raises:
        ValueError: the shape, a value or a label is not one that `data` could have.
    """
    values = np.asanyarray(raw.values)
    if values.ndim == 0 or not len(values) or values.dtype.kind not in "buif":
        raise ValueError(f"no rows of numbers, but {values.dtype} of shape {values.shape}")
    if values.shape[1:] != data.shape:
        expected = ", ".join(map(str, ("N", *data.shape)))
        raise ValueError(f"shape {values.shape}; expected ({expected}), as the run's data")
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
    return split.drawn_once(data.observation, seed + len(SPLITS)).to(data.test.device)


def _labels(raw: RawSplit, data: Dataset) -> np.ndarray | None:
    """Returns the labels, all of which are classes of `data`; None if they are not."""
    needed = data.test.given_labels
    if raw.labels is None:
        if needed:
            raise ValueError("the model is given labels, and there are none")
        return None
    labels = plain_labels(raw.labels, len(raw))
    unknown = [label for label in np.unique(labels).tolist() if label not in data.classes]
    if unknown and needed:
        known = ", ".join(map(str, data.classes[:10]))
        raise ValueError(f"label {unknown[0]!r} is none of those trained on ({known})")
    return None if unknown else labels

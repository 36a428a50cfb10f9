"""Labels: a set of values of any kind, whose members are numbered."""

from collections.abc import Iterable

import numpy as np

Label = bool | int | float | str


def plain_labels(labels: np.ndarray, count: int) -> np.ndarray:
    """Returns one label for each of `count` data: whole numbers, floats or text, `(N,)`.

    Rows with a single 1 among zeros (one-hot) become the number of their column.

    Raises:
        ValueError: they are something else; the message says what is expected.

    >>> plain_labels(np.array([[0, 1], [1, 0]]), 2)
    array([1, 0])
    """
    kind = labels.dtype.kind
    one_hot = labels.ndim == 2 and labels.shape[1] > 1 and kind in "buif"
    if one_hot and len(labels) == count:
        rows = np.asarray(labels)
        if ((rows == 0) | (rows == 1)).all() and (rows.sum(axis=1) == 1).all():
            return rows.argmax(axis=1)
    if labels.shape == (count, 1):
        labels = labels[:, 0]
    if labels.shape != (count,) or kind not in "buifUS":
        raise ValueError(
            f"expected one number or text for each of {count} data, or one-hot rows; "
            f"got {labels.dtype} {labels.shape}"
        )
    if kind == "f" and not np.isfinite(labels).all():
        raise ValueError("NaN or infinity is no label; give data without one a label of their own")
    if kind == "S":
        return np.char.decode(labels, "utf-8", "backslashreplace")
    exact = np.float64 if kind == "f" else labels.dtype.newbyteorder("=")
    return np.array(labels, dtype=exact)


def distinct(labels: Iterable[np.ndarray | None]) -> np.ndarray:
    """Returns the different labels of all splits, sorted.

    Raises:
        ValueError: some are numbers and others are text.
    """
    known = [of_split for of_split in labels if of_split is not None]
    if len({of_split.dtype.kind == "U" for of_split in known}) > 1:
        raise ValueError("some are numbers and others are text")
    return np.unique(np.concatenate(known)) if known else np.empty(0)

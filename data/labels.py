"""Labels: a set of values of any kind, whose members are numbered."""

from collections.abc import Iterable

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from data.mapped import in_memory

Label = bool | int | float | str


class NoLabels(ValueError):
    """The data have no labels, where a model needs some."""


def plain_labels(labels: np.ndarray, count: int) -> np.ndarray:
    """Returns one label for each of `count` data: whole numbers, floats or text, `(N,)`.

    Rows with a single 1 among zeros (one-hot) become the number of their column.

    Raises:
        ValueError: they are something else; the message says what is expected.

    >>> plain_labels(np.array([[0, 1], [1, 0]]), 2)
    array([1, 0])
    """
    labels = in_memory(labels)
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


def few_of_each(numbers: Int[Tensor, " N"], classes: int, count: int, seed: int) -> Tensor:
    """Returns `numbers`, of which `count` stay, as many of each class, and all others become −1.

    Raises:
        ValueError: there are not so many of each.

    >>> few_of_each(torch.tensor([0, 1, 0, 1, 0]), 2, count=4, seed=0)[1::2]
    tensor([1, 1])
    """
    each, rest = divmod(count, classes)
    if rest or not each:
        raise ValueError(f"labels={count}: must be a multiple of {classes}, the number of classes")
    order = torch.randperm(len(numbers), generator=torch.Generator().manual_seed(seed))
    known = torch.full_like(numbers, -1)
    for y in range(classes):
        found = order[numbers[order] == y][:each]
        if len(found) < each:
            raise ValueError(
                f"labels={count}: takes {each} training data of each class, and one has "
                f"{len(found)}; give fewer"
            )
        known[found] = y
    return known

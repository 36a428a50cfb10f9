"""What the methods of a run are given: x in its space, labels and masks, checked."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

from data import Dataset
from data.labels import Label
from data.new import New, as_rows, check_shape
from errors import RequestError
from evidence.batch import Batch
from experiment.predictions import blank

# x, or (x, y) where the model is given labels.
Given = New | tuple[New, ...]


@contextmanager
def refused() -> Iterator[None]:
    """Turns what is wrong with data into a refusal of the request."""
    try:
        yield
    except RequestError:
        raise
    except ValueError as error:
        raise RequestError(str(error)) from error


def batch_of(x: Given, data: Dataset, missing: bool = False) -> Batch:
    """Returns x, or (x, y), as programs are called with it: float32, on the device of `data`.

    Arguments:
        x: what is in the space of `data` already.
        data: what the run was trained on.
        missing: whether there may be NaN.

    Raises:
        RequestError: it has another shape, or is not in the space; labels are missing, or not
            asked for.
    """
    columns, given_labels = x if isinstance(x, tuple) else (x,), data.train.given_labels
    if len(columns) != 1 + given_labels:
        what = "(x, y), which run.read(x, labels) makes" if given_labels else "x alone"
        raise RequestError(f"the model is given {what}; got {len(columns)} column(s)")
    with refused():
        values = _in_space(as_rows(columns[0]), data, missing)
        others = [_classes(as_rows(y), len(values), data) for y in columns[1:]]
    return Batch(column.to(data.train.device) for column in (values, *others))


def _in_space(values: np.ndarray, data: Dataset, missing: bool) -> Tensor:
    check_shape(values.shape, data)
    advice = "run.read brings values as they are stored into the space"
    if values.dtype.kind in "bui" and data.space.measure == "Lebesgue" and data.quantum is not None:
        raise ValueError(f"{values.dtype} is no type of {data.space}; {advice}")
    x = torch.from_numpy(np.array(values, np.float32))
    wrong = ~data.space.contains(x)
    if data.levels is not None and data.space.name == "bytes":
        wrong |= x >= data.levels
    if missing:
        wrong &= ~x.isnan()
    if wrong.any():
        index = tuple(int(i) for i in wrong.nonzero()[0])
        raise ValueError(f"x is {x[index]:.9g} at index {index}, outside {data.space}; {advice}")
    return x


def _classes(numbers: np.ndarray, count: int, data: Dataset) -> Tensor:
    whole = numbers.dtype.kind in "ui" and numbers.shape == (count,)
    if not whole or not ((numbers >= 0) & (numbers < data.num_classes)).all():
        raise ValueError(
            f"y must be {count} numbers of classes, 0..{data.num_classes - 1}; run.read(x, labels) "
            "makes them of labels"
        )
    return torch.from_numpy(np.array(numbers, np.int64))


def blank_with(labels: Sequence[Label] | None, count: int, data: Dataset) -> Batch:
    """Returns what to call a model with to draw `count` data, with `labels` if it is given some.

    Raises:
        RequestError: there are not as many labels, or the data have no such labels.
    """
    if count < 1:
        raise RequestError(f"count={count}: must be at least 1")
    batch = blank(data, count)
    if labels is None:
        return batch
    if not batch.others or len(labels) != count:
        why = f"{len(labels)} for {count} data" if batch.others else "the model is given none"
        raise RequestError(f"labels: {why}")
    if unknown := [label for label in labels if label not in data.classes]:
        known = ", ".join(map(str, data.classes[:10]))
        raise RequestError(f"labels: {unknown[0]!r} is none of those trained on ({known})")
    numbers = torch.tensor([data.classes.index(label) for label in labels])
    return Batch((batch.x, numbers.to(batch.device)))


def mask_of(missing: New, batch: Batch) -> Tensor:
    """Returns a mask of `batch`, True where a value is missing.

    Raises:
        RequestError: it is no booleans, or has another shape.
    """
    with refused():
        mask = as_rows(missing)
    shape = tuple(batch.x.shape)
    if mask.dtype != np.bool_ or mask.shape not in (shape, shape[1:]):
        raise RequestError(
            f"missing: {mask.dtype} {mask.shape}, expected bool {shape} or {shape[1:]}"
        )
    return torch.from_numpy(np.array(mask)).to(batch.device).expand(shape)

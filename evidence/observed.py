"""Which column of the data a model observes, and other data in its place."""

import torch
from torch import Tensor

from evidence.batch import Batch
from evidence.joint import Joint
from evidence.noise import forked
from evidence.structure import Latents, Program, at, only
from evidence.unsupported import UnsupportedPair


def observed_column(model: Program, guide: Program, batch: Batch) -> int | None:
    """Returns which column of `batch` the model observes; the first, if it is none as it stands.

    None if it observes several sites.
    """
    with forked(batch.device), torch.no_grad():
        joint = Joint(model, guide, batch.first(10))
        if len(joint.observed) > 1:
            return None
        latents = joint.latents(joint.draw_guide(1))
        value = observed_value(joint, latents, joint.batch)
    return candidates(joint.batch, value)[0]


def observed_value(joint: Joint, latents: Latents, batch: Batch) -> Tensor:
    """Returns what the model observes when it is called with `batch`."""
    return only(joint.observed, at(joint.model, latents, batch))["value"]


def candidates(batch: Batch, value: Tensor) -> list[int]:
    """Returns the numbers of all columns, those first that `value` is, or is equal to."""

    def unlikely(number: int) -> int:
        column = batch[number]
        if column.numel() != value.numel():
            return 3
        if column.data_ptr() == value.data_ptr():
            return 0
        return 1 if is_same(column, value) else 2

    return sorted(range(len(batch)), key=unlikely)


def is_same(column: Tensor, value: Tensor) -> bool:
    """Returns whether two tensors hold the same numbers in the same order."""
    return column.numel() == value.numel() and bool((column.reshape(value.shape) == value).all())


def with_observed(joint: Joint, latents: Latents, x: Tensor) -> Batch:
    """Returns the joint's data with `x` in the place of what the model observes.

    Raises UnsupportedPair if there is no column with which the model then observes `x`.
    """
    batch = joint.batch
    value = observed_value(joint, latents, batch)
    if value.shape == x.shape and is_same(value, x):
        return batch
    for number in candidates(batch, value):
        column = batch[number]
        if column.numel() != x.numel():
            continue
        new = x.reshape(column.shape)
        as_given = new.to(column.dtype)
        new = as_given if is_same(as_given.to(new.dtype), new) else new
        changed = Batch((*batch[:number], new, *batch[number + 1 :]))
        if is_same(observed_value(joint, latents, changed), x):
            return changed
    raise UnsupportedPair(
        f"site {joint.observed[0]!r} observes no column of the data as it is given, so that other "
        "data cannot take its place; pass what it observes as an argument of its own"
    )

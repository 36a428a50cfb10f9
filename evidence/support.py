"""The bounds in a support: tensors, which may depend on the data."""

import copy
from collections.abc import Callable, Iterable

from torch import Tensor
from torch.distributions import constraints
from torch.distributions.constraints import Constraint


def base_of(support: Constraint) -> Constraint:
    """Returns the support of one of the parts that `.to_event()` has made one."""
    while isinstance(support, constraints.independent):
        support = support.base_constraint
    return support


def bounds_of(support: Constraint) -> list[Tensor]:
    """Returns all tensors in a support, at whatever depth, in a fixed order."""
    found: list[Tensor] = []

    def noted(bound: Tensor) -> Tensor:
        found.append(bound)
        return bound

    changed(support, noted)
    return found


def with_bounds(support: Constraint, bounds: Iterable[Tensor]) -> Constraint:
    """Returns the same support with `bounds` in the places of `bounds_of(support)`."""
    others = iter(bounds)
    return changed(support, lambda _: next(others))


def changed(support: Constraint, change: Callable[[Tensor], Tensor]) -> Constraint:
    """Returns a copy of `support` with every tensor in it changed.

    These are the ends of an interval, and those of the constraints that others are made of.
    """

    def new(value: object) -> object:
        if isinstance(value, Tensor):
            return change(value)
        if isinstance(value, Constraint):
            return changed(value, change)
        return [new(part) for part in value] if isinstance(value, list) else value

    other = copy.copy(support)
    vars(other).update({name: new(value) for name, value in vars(support).items()})
    return other

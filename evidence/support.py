"""The bounds in a support: tensors, which may depend on the data."""

import copy
from collections.abc import Callable, Iterable

from torch import Tensor
from torch.distributions.constraints import Constraint


def bounds_of(support: Constraint) -> list[Tensor]:
    """All tensors in it, at whatever depth, in a fixed order."""
    found: list[Tensor] = []
    changed(support, lambda bound: found.append(bound) or bound)  # type: ignore[func-returns-value]
    return found


def with_bounds(support: Constraint, bounds: Iterable[Tensor]) -> Constraint:
    """The same support with other tensors in the places of `bounds_of(support)`."""
    others = iter(bounds)
    return changed(support, lambda _: next(others))


def changed(support: Constraint, change: Callable[[Tensor], Tensor]) -> Constraint:
    """A copy of `support` with every tensor in it changed: of an interval its ends, of independent or stacked ones theirs."""

    def new(value: object) -> object:
        if isinstance(value, Tensor):
            return change(value)
        if isinstance(value, Constraint):
            return changed(value, change)
        return [new(part) for part in value] if isinstance(value, list) else value

    other = copy.copy(support)
    vars(other).update({name: new(value) for name, value in vars(support).items()})
    return other

"""What a support is a part of, and the bounds in it: tensors, which may depend on the data."""

import copy
from collections.abc import Callable, Iterable

import pyro.distributions as dist
from pyro.distributions.constraints import corr_matrix, sphere
from torch import Tensor
from torch.distributions import Distribution, constraints
from torch.distributions.constraints import Constraint, MixtureSameFamilyConstraint

from evidence.parts import parts_of

# Densities that repeat along the line, which their support is said to be.
PERIODIC = (dist.VonMises, dist.SineBivariateVonMises, dist.SineSkewed)
# Supports without a volume: densities there are of fewer numbers than a value has.
THIN = tuple(
    type(support)
    for support in (
        *(constraints.simplex, constraints.corr_cholesky, corr_matrix, sphere),
        *(constraints.lower_cholesky, constraints.lower_triangular, constraints.symmetric),
        *(constraints.positive_definite, constraints.positive_semidefinite),
    )
)


def base_of(support: Constraint) -> Constraint:
    """Returns the support of one of the parts that `.to_event()` has made one."""
    while isinstance(support, constraints.independent):
        support = support.base_constraint
    return support


def space_of(fn: Distribution) -> str:
    """Returns in words what the volumes are measured in that a density is of.

    That is ℝⁿ, unless the values go around a circle or their numbers depend on each other.
    """
    if any(isinstance(part, PERIODIC) for part in parts_of(fn)):
        return "a circle"
    support = fn.support
    if isinstance(support, MixtureSameFamilyConstraint):
        support = support.base_constraint
    thin = support is not None and isinstance(base_of(support), THIN)
    return f"a {name_of(fn)}" if thin else "all of ℝⁿ"


def name_of(fn: Distribution) -> str:
    """Returns the name of the support of one of the parts of a distribution."""
    return "none" if fn.support is None else type(base_of(fn.support)).__name__.strip("_")


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

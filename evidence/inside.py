"""Whether values lie where a distribution has a density, whatever validation switches say.

A formula of a log-density goes on outside of the support, where it is none: torch refuses such a
value unless the program turns that off.
"""

from collections.abc import Callable

import torch
from jaxtyping import Bool
from pyro.distributions import MaskedDistribution
from torch import Tensor
from torch.distributions import Distribution, Independent
from torch.distributions.constraints import (
    Constraint,
    MixtureSameFamilyConstraint,
    greater_than,
    greater_than_eq,
    half_open_interval,
    interval,
    less_than,
    real,
)

from evidence.support import base_of

BELOW = (interval, half_open_interval, less_than)
ABOVE = (interval, half_open_interval, greater_than, greater_than_eq)


def allowed(fn: Distribution, value: Tensor) -> Bool[Tensor, " *batch"] | None:
    """Returns which values are of the support, or are masked; None where every number is.

    NaN is left to the density, as some distributions take it for a number that is missing.
    """
    return _where(fn, value, lambda support: support.check(value))


def within_bounds(fn: Distribution, value: Tensor) -> Bool[Tensor, " *batch"] | None:
    """Returns which values are not beyond the ends of the support; None where it has no ends.

    Rounding may lead to an end, which counts as inside. NaN is left to the density.
    """

    def within(support: Constraint) -> Tensor | None:
        if isinstance(support, MixtureSameFamilyConstraint):
            ends = isinstance(base_of(support.base_constraint), BELOW + ABOVE)
            return support.check(value) | value.isnan() if ends else None
        beyond = torch.zeros_like(value, dtype=torch.bool)
        if isinstance(support, ABOVE):
            beyond = value < support.lower_bound
        if isinstance(support, BELOW):
            beyond = beyond | (value > support.upper_bound)
        return ~beyond if isinstance(support, BELOW + ABOVE) else None

    return _where(fn, value, within)


def _where(
    fn: Distribution, value: Tensor, check: Callable[[Constraint], Tensor | None]
) -> Bool[Tensor, " *batch"] | None:
    """Returns whether `check` holds of each event; masks inside of `fn` excuse what they hide."""
    if isinstance(fn, MaskedDistribution):
        found = _where(fn.base_dist, value, check)
        return None if found is None else found | ~_mask(fn, found)
    if isinstance(fn, Independent):
        found = _where(fn.base_dist, value, check)
        return None if found is None else _all(found, fn.reinterpreted_batch_ndims)
    try:
        support = fn.support
    except NotImplementedError:  # a distribution of a user's own may declare none
        return None
    if support is None or base_of(support) is real:
        return None
    found = check(base_of(support))
    return None if found is None else _all(found, len(fn.event_shape) - value.dim() + found.dim())


def _mask(fn: MaskedDistribution, like: Tensor) -> Tensor:
    return torch.as_tensor(vars(fn)["_mask"], device=like.device).bool()


def _all(found: Tensor, dimensions: int) -> Tensor:
    return found.flatten(found.dim() - dimensions).all(-1) if dimensions > 0 else found

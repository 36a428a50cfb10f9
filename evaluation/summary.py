"""The quantities of an evaluation in memory, from its estimates."""

from collections.abc import Mapping

from torch import Tensor

from evaluation.quantities import RUNGS, GapParts, Ladder, Measure, Rung
from evaluation.splits import Splits
from evidence import Estimate
from evidence.estimate import Annealed, paired, standard_error


def measure(values: Tensor) -> Measure:
    """Returns the mean of `values` (N,) with its error and its number."""
    return Measure(float(values.mean()), standard_error(values), len(values))


def effort(estimate: Estimate) -> int | None:
    """Returns what tightens a bound: the temperatures of annealing, or else the particles."""
    details = estimate.details
    if isinstance(details, Annealed):
        return details.temperatures
    if isinstance(details, dict):
        return details.get("temperatures", estimate.particles)
    return estimate.particles


def ladder(bounds: Mapping[str, Estimate], reference: str) -> Ladder:
    """Returns the ladder of `bounds`, whose distances are from the one named `reference`."""
    rungs = {}
    for name, bound in sorted(bounds.items(), key=lambda item: RUNGS.index(item[0])):
        distance = measure(paired(bound, bounds[reference]))
        rungs[name] = Rung(name, bound.kind, effort(bound), bound.mean, distance)
    return Ladder(rungs[reference], tuple(rungs.values()))


def gap_parts(splits: Splits) -> list[GapParts]:
    """Returns the parts of the gap on every split that it was measured on."""
    found = []
    for name, split in splits.by_split.items():
        parts, richer = split.parts, split.parts.richer_approximation
        family, encoder = measure(parts.approximation), measure(parts.amortisation)
        left = None if richer is None else float(richer.mean())
        found.append(GapParts(name, split.source, family, encoder, left))
    return found

"""The quantities of an evaluation in memory, from its estimates."""

from collections.abc import Mapping

from torch import Tensor

from evaluation.quantities import RUNGS, GapBar, Ladder, Measure, Rung
from evaluation.result import Evaluation
from evidence import Estimate
from evidence.estimate import Annealed, paired, standard_error


def measure(values: Tensor) -> Measure:
    """Returns the mean of `values` (N,) with its error and its number."""
    return Measure(float(values.mean()), standard_error(values), len(values))


def annealed(estimate: Estimate) -> Annealed | None:
    """Returns how an estimate was annealed, if it was."""
    details = estimate.details
    if isinstance(details, dict):  # as long as details are not typed everywhere
        return Annealed(**details) if "temperatures" in details else None
    return details if isinstance(details, Annealed) else None


def effort(estimate: Estimate) -> int | None:
    """Returns what tightens a bound: the temperatures of annealing, or else the particles."""
    plan = annealed(estimate)
    return estimate.particles if plan is None else plan.temperatures


def ladder(bounds: Mapping[str, Estimate], reference: str) -> Ladder:
    """Returns the ladder of `bounds`, whose distances are from the one named `reference`."""
    rungs = {}
    for name, bound in sorted(bounds.items(), key=lambda item: RUNGS.index(item[0])):
        distance = measure(paired(bound, bounds[reference]))
        rungs[name] = Rung(name, bound.kind, effort(bound), bound.mean, distance)
    return Ladder(rungs[reference], tuple(rungs.values()))


def gap_bars(evaluation: Evaluation) -> list[GapBar]:
    """Returns the gap in its parts on every split that it was measured on."""
    gap, bars = evaluation.diagnostics.gap, []
    if gap is None:
        return []
    for name, split in gap.by_split.items():
        parts, richer = split.parts, split.parts.richer_approximation
        family, encoder = measure(parts.approximation), measure(parts.amortisation)
        left = None if richer is None else float(richer.mean())
        bars.append(GapBar(name, split.source, family, encoder, left))
    return bars


def bits_per_dim(evaluation: Evaluation) -> Measure:
    """Returns the bits per dimension of the data as they are stored."""
    bits = evaluation.bits_per_dim()
    return Measure(bits["mean"], bits["se"], evaluation.num_examples)

"""The quantities of an evaluation in memory, from its estimates."""

from collections.abc import Mapping

from evaluation.measured import Measured
from evaluation.quantities import RUNGS, GapBar, Ladder, Rung
from evaluation.result import Evaluation
from evidence import Estimate
from evidence.estimate import Annealed, Coupled, paired


def annealed(estimate: Estimate) -> Annealed | None:
    """Returns how an estimate was annealed, if it was."""
    details = estimate.details
    if isinstance(details, Coupled):
        details = details.of
    return details if isinstance(details, Annealed) else None


def effort(estimate: Estimate) -> int | None:
    """Returns what tightens a bound: the temperatures of annealing, or else the particles."""
    plan = annealed(estimate)
    return estimate.particles if plan is None else plan.temperatures


def ladder(bounds: Mapping[str, Estimate], reference: str) -> Ladder:
    """Returns the ladder of `bounds`, whose distances are from the one named `reference`."""
    rungs = {}
    for name, bound in sorted(bounds.items(), key=lambda item: RUNGS.index(item[0])):
        distance = Measured.of(paired(bound, bounds[reference]))
        rungs[name] = Rung(name, bound.kind, effort(bound), bound.mean, distance)
    return Ladder(rungs[reference], tuple(rungs.values()))


def gap_bars(evaluation: Evaluation) -> list[GapBar]:
    """Returns the gap in its parts on every split that it was measured on."""
    gap, bars = evaluation.diagnostics.gap, []
    if gap is None:
        return []
    for name, parts in gap.by_split.items():
        richer = parts.richer_approximation
        family, encoder = Measured.of(parts.approximation), Measured.of(parts.amortization)
        left = None if richer is None else float(richer.mean())
        bars.append(GapBar(name, parts.source, family, encoder, left))
    return bars

"""From the runs of one table to its rows: seeds averaged, settings ordered, differences tested."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from report.comparison.grouping import convertible, group, why_apart
from report.comparison.labels import labels_of
from report.comparison.measure import choose_measure, measure_name, shared
from report.comparison.quantities import Quantity
from report.comparison.reading import EvaluatedRun
from report.comparison.statistics import Average, Difference, average, differences_to_best
from report.comparison.units import Unit

SINGLE_SEED = (
    "where a setting has a single seed, its interval covers the data only, not the luck of the seed"
)


@dataclass(frozen=True)
class Setting:
    """A configuration and its runs, one for each seed.

    `averages[name]` is the mean of a quantity over seeds with its standard error. `difference` is
    the difference to the best setting, and None for the best setting itself.
    """

    label: str
    runs: list[EvaluatedRun]
    averages: Mapping[str, Average]
    difference: Difference | None


@dataclass(frozen=True)
class Comparison:
    """A table of settings, ordered from best to worst by the quantity `measure`."""

    title: str
    unit: Unit
    measure: str
    settings: list[Setting]
    notes: list[str]

    @property
    def runs(self) -> list[EvaluatedRun]:
        """All runs, setting by setting."""
        return [run for setting in self.settings for run in setting.runs]

    @property
    def measure_name(self) -> str:
        """What the table calls its measure."""
        return measure_name(self.measure, self.runs)

    @property
    def columns(self) -> list[Quantity]:
        """The quantities that some setting has, in the order in which they bracket log p(x)."""
        return [name for name in Quantity if any(name in s.averages for s in self.settings)]


def compare(runs: Sequence[EvaluatedRun], by: str | None = None) -> list[Comparison]:
    """Makes one table of every set of runs that measure the same, best setting first.

    Tables of runs that only conversion to bits per dimension makes comparable come last.

    Arguments:
        runs: evaluated runs, in any order; a copy of a run is counted once.
        by: the quantity to order by; None means the tightest that all runs of a table have.

    Raises:
        RequestError: if some run does not have the quantity `by`.
    """
    groups = group(runs)
    reasons = [[], *([reason] for reason in why_apart(groups))]
    tables = [
        _table(one.title, Unit.NATS, one.runs, by, reason + one.copies)
        for one, reason in zip(groups, reasons, strict=True)
    ]
    return tables + [
        _table(some.title, Unit.BITS, some.runs, by, [some.note]) for some in convertible(groups)
    ]


def _table(
    title: str, unit: Unit, runs: Sequence[EvaluatedRun], by: str | None, notes: list[str]
) -> Comparison:
    measure, obstacles = choose_measure(runs, by)
    by_setting: dict[str, list[EvaluatedRun]] = {}
    for run in runs:
        by_setting.setdefault(run.setting, []).append(run)
    members = [sorted(some, key=lambda run: run.seed or 0) for some in by_setting.values()]
    tested = [unit.values(some, measure) for some in members]
    _, differences = differences_to_best(tested, unit.higher_is_better)
    labels = labels_of([some[0].settings for some in members])
    settings = [
        Setting(label, some, _averages(some, unit, measure), difference)
        for some, label, difference in zip(members, labels, differences, strict=True)
    ]
    settings.sort(key=lambda s: s.averages[measure].mean, reverse=unit.higher_is_better)
    single = any(d is not None and not d.seeds_too for d in differences)
    return Comparison(title, unit, measure, settings, notes + obstacles + [SINGLE_SEED] * single)


def _averages(runs: Sequence[EvaluatedRun], unit: Unit, measure: str) -> dict[str, Average]:
    """Averages all quantities of one setting; in bits per dimension, only the one compared."""
    if unit is Unit.BITS:
        return {measure: average(unit.values(runs, measure))}
    names = shared(runs)
    found = {name: average(unit.values(runs, name)) for name in names}
    if Quantity.GAP not in names and {Quantity.EXACT, Quantity.ELBO} <= names:
        exact, elbo = (unit.values(runs, name) for name in (Quantity.EXACT, Quantity.ELBO))
        found[Quantity.GAP] = average(exact - elbo)
    bits = [[run.bits.mean] for run in runs if run.bits is not None]
    if len(bits) == len(runs):
        found[Quantity.BITS] = average(np.array(bits))
    return found

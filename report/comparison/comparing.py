"""From the runs of one table to its rows: seeds averaged, settings ordered, differences tested."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from experiment.directory import EDITED, RunDirectory
from report.comparison.grouping import convertible, group, why_apart
from report.comparison.labels import CHOICE, differing, labels_of
from report.comparison.measure import choose_measure, measure_name, shared
from report.comparison.quantities import Quantity
from report.comparison.reading import EvaluatedRun
from report.comparison.request import (
    Asked,
    find_reference,
    refuse_unknown_columns,
    refuse_unknown_reference,
)
from report.comparison.statistics import Average, Difference, Family, average, family
from report.comparison.units import Unit, width_in_bits

SINGLE_SEED = (
    "where a setting has a single seed, its interval covers the data only, not the luck of the seed"
)
BY_STEPS = (
    "Holm's steps tell more apart than the intervals, which are Bonferroni's: where an interval "
    "holds 0 and p is small, p decides"
)

PLAIN = Asked()


@dataclass(frozen=True)
class Setting:
    """A configuration and its runs, one for each seed.

    `averages[name]` is the mean of a quantity with its standard error. `difference` is the
    difference to the baseline, and None for the baseline itself.
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
    family: Family
    asked: Asked

    @property
    def runs(self) -> list[EvaluatedRun]:
        """All runs, setting by setting."""
        return [run for setting in self.settings for run in setting.runs]

    @property
    def known(self) -> list[str]:
        """The names of all columns that it has numbers for, in their order."""
        measured = [name for name in Quantity if any(name in s.averages for s in self.settings)]
        return ["seeds", *measured, "difference", "p"]

    @property
    def columns(self) -> list[str]:
        """The names of the columns that are shown; a single setting has no difference."""
        if self.asked.columns is None:
            alone = not self.family.differences
            return [name for name in self.known if not alone or name not in ("difference", "p")]
        return [name for name in dict.fromkeys(self.asked.columns) if name in self.known]

    @property
    def measure_name(self) -> str:
        """What the table calls its measure."""
        return measure_name(self.measure, self.runs)

    @property
    def noun(self) -> str:
        """What settings are: priors, if they differ in nothing but the prior."""
        varied = differing([setting.runs[0].settings for setting in self.settings])
        if len(varied) == 1 and varied[0].startswith(CHOICE):
            return varied[0].removeprefix(CHOICE)
        return "setting" if len(varied) != 1 else f"value of {varied[0]}"

    def name(self, index: int) -> str:
        """Returns what a sentence calls a setting: a prior's name, if only the prior differs."""
        if self.family.is_reference and index == self.family.baseline and self.noun == "setting":
            return "the reference"
        return self.settings[index].label.removeprefix(f"{self.noun}=")

    @property
    def baseline(self) -> Setting:
        """The setting that the others are compared with."""
        return self.settings[self.family.baseline]


def compare(runs: Sequence[EvaluatedRun], asked: Asked = PLAIN) -> list[Comparison]:
    """Makes one table of every set of runs that measure the same, best setting first.

    Tables of runs that only conversion to bits per dimension makes comparable come last. A copy of
    a run is counted once.

    Raises:
        RequestError: if some run does not have the quantity to order by, if the reference is not
            one setting, or if a column is in no table.
    """
    groups = group(runs)
    reasons = [[], *([reason] for reason in why_apart(groups))]
    tables = [
        _table(one.title, Unit.NATS, one.runs, asked, reason + one.copies)
        for one, reason in zip(groups, reasons, strict=True)
    ]
    tables += [
        _table(some.title, Unit.BITS, some.runs, asked, [some.note]) for some in convertible(groups)
    ]
    if asked.reference is not None and not any(t.family.is_reference for t in tables):
        refuse_unknown_reference(asked.reference, [run.settings for run in runs])
    refuse_unknown_columns(asked.columns or (), {name: 0 for t in tables for name in t.known})
    return tables


def _table(
    title: str, unit: Unit, runs: Sequence[EvaluatedRun], asked: Asked, notes: list[str]
) -> Comparison:
    measure, obstacles = choose_measure(runs, asked.by)
    by_setting: dict[str, list[EvaluatedRun]] = {}
    for run in runs:
        by_setting.setdefault(run.setting, []).append(run)
    members = [sorted(some, key=lambda run: run.seed or 0) for some in by_setting.values()]
    means = [float(unit.values(some, measure).mean()) for some in members]
    best_first = np.argsort([-m if unit.higher_is_better else m for m in means], kind="stable")
    members = [members[index] for index in best_first]
    options = [some[0].settings for some in members]
    bits_of, mixed = _origin_of_bits(runs)
    reference = None if asked.reference is None else find_reference(options, asked.reference)
    tested = family([unit.values(some, measure) for some in members], reference)
    settings = [
        Setting(
            label,
            some,
            _averages(some, unit, measure, bits_of),
            None if index == tested.baseline else tested.difference(index, tested.baseline),
        )
        for index, (some, label) in enumerate(
            zip(members, labels_of(options, reference), strict=True)
        )
    ]
    if asked.reference is not None and reference is None:
        notes = [*notes, f"no setting here has {asked.reference}: differences are to the best"]
    tests = tested.differences.values()
    single = not all(d.test.seeds_too for d in tests)
    steps = any(d.told_apart and d.low <= 0 <= d.high for d in tests)
    notes = [
        *(notes + _edited(runs) + _interrupted(runs) + obstacles + mixed),
        *([SINGLE_SEED] * single + [BY_STEPS] * steps),
    ]
    return Comparison(title, unit, measure, settings, notes, tested, asked)


def _edited(runs: Sequence[EvaluatedRun]) -> list[str]:
    """Says of each run whose options are not those that it was trained with."""
    files = (RunDirectory(run.path).config_file for run in runs if run.is_edited)
    return [f"{file} {EDITED}; its options may not be those of its row" for file in files]


def _interrupted(runs: Sequence[EvaluatedRun]) -> list[str]:
    """Says of each evaluation that was interrupted what it is without."""
    return [
        f"the evaluation of {run.path} was interrupted, and is without {', '.join(run.missing)}; "
        f"go on: {run.command}"
        for run in runs
        if run.missing
    ]


def _averages(
    runs: Sequence[EvaluatedRun], unit: Unit, measure: str, bits_of: str | None
) -> dict[str, Average]:
    """Averages all quantities of one setting; in bits per dimension, only the one compared."""
    if unit is Unit.BITS:
        return {measure: average(unit.values(runs, measure))}
    names = shared(runs)
    found = {name: average(unit.values(runs, name)) for name in names}
    if Quantity.GAP not in names and {Quantity.EXACT, Quantity.ELBO} <= names:
        exact, elbo = (unit.values(runs, name) for name in (Quantity.EXACT, Quantity.ELBO))
        found[Quantity.GAP] = average(exact - elbo)
    if bits_of is not None:
        found[Quantity.BITS] = average(Unit.BITS.values(runs, bits_of))
    return found


def _origin_of_bits(runs: Sequence[EvaluatedRun]) -> tuple[str | None, list[str]]:
    """Returns the bound that the bits per dimension of all runs come from, or why there is none."""
    origins = sorted({run.bits.origin for run in runs if run.bits is not None})
    if len(origins) > 1:
        return None, [f"bits/dim come from {' and '.join(origins)} here, and are left out"]
    known = all(width_in_bits(run) is not None for run in runs)
    return (origins[0] if known and origins[0] in shared(runs) else None), []

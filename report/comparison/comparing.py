"""From the runs of one table to its rows: seeds averaged, settings ordered, differences tested."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from errors import RequestError
from report.comparison.grouping import Group, convertible, group, why_apart, width_in_bits
from report.comparison.reading import EvaluatedRun
from report.comparison.statistics import Difference, differences_to_best, mean_and_error

TIGHTEST_FIRST = ("exact", "ais", "iwae", "elbo")
EFFORT = {"iwae": "particles", "ais": "temperatures/chains/start"}
"""What has to be equal for two bounds of that name to be compared: with more a bound is tighter, whatever the model."""
NAMES = {"elbo": "ELBO", "exact": "log p(x)", "kl": "rate", "upper": "upper bound"}


@dataclass(frozen=True)
class Setting:
    """One configuration and its runs, one a seed. `summary[name]` is the mean over seeds and its standard error."""

    label: str
    runs: list[EvaluatedRun]
    summary: dict[str, tuple[float, float]]
    difference: Difference | None
    """To the best setting; None for the best."""


@dataclass(frozen=True)
class Comparison:
    """One table: settings ordered from best to worst by `measure`, in `unit`."""

    title: str
    unit: str
    measure: str
    measure_name: str
    higher_is_better: bool
    settings: list[Setting]
    notes: list[str]

    @property
    def columns(self) -> list[str]:
        """The quantities that some setting has, in the order in which they bracket log p(x)."""
        order = (
            "reconstruction",
            "kl",
            "elbo",
            "iwae",
            "ais",
            "exact",
            "upper",
            "gap",
            "bits_per_dim",
        )
        return [name for name in order if any(name in setting.summary for setting in self.settings)]


def compare(runs: Sequence[EvaluatedRun], by: str | None = None) -> list[Comparison]:
    """One comparison for every set of runs that measure the same, then those that conversion to bits makes comparable.

    `by` names the quantity to order by; None: the tightest that all runs of the table have, on equal terms.
    """
    runs, copies = _distinct(runs)
    groups = group(runs)
    tables = []
    for one, reason in zip(groups, [[], *([reason] for reason in why_apart(groups))], strict=True):
        tables.append(
            _in_nats(one, by, reason + [copies[id(run)] for run in one.runs if id(run) in copies])
        )
    return tables + [_in_bits(some, by) for some in convertible(groups)]


def _distinct(runs: Sequence[EvaluatedRun]) -> tuple[list[EvaluatedRun], dict[int, str]]:
    """Each (setting, seed, what was measured) once, a copy of a run being no second seed; and a note on those that have
    copies, by id."""
    kept: dict[str, EvaluatedRun] = {}
    notes = {}
    for run in runs:
        key = repr(
            (sorted(run.settings.items(), key=str), run.seed, sorted(run.data.items(), key=str))
        )
        if key in kept and kept[key].path.resolve() != run.path.resolve():
            notes[id(kept[key])] = (
                f"{run.path} is {kept[key].path} again (the same configuration and seed): counted once"
            )
        kept.setdefault(key, run)
    return list(kept.values()), notes


def _in_nats(one: Group, by: str | None, notes: list[str]) -> Comparison:
    measure, why = choose_measure(one.runs, by)
    notes = notes + why
    return _compare(
        one.title,
        "nats per datum",
        measure,
        True,
        one.runs,
        {id(run): (0.0, 1.0) for run in one.runs},
        notes,
    )


def _in_bits(groups: Sequence[Group], by: str | None) -> Comparison:
    runs = [run for one in groups for run in one.runs]
    measure, why = choose_measure(runs, by)
    scale = {}
    for run in runs:
        scale[id(run)] = (-(width_in_bits(run) or 0.0), -1 / (run.data["dimensions"] * math.log(2)))
    spaces = [one.what["space"] for one in groups]
    what = groups[0].what
    note = (
        f"runs on {' and '.join(spaces)} meet here as bits per dimension of the stored levels: a density of dequantised "
        "values times the width of a level is a lower bound on its mass (Theis et al. 2016), so the bits of "
        f"{' and '.join(s for s in spaces if s in ('unit', 'real'))} are upper bounds"
    )
    title = f"{what['name']}, {what['split']} split, in bits per dimension, {what['num_examples']:,} examples"
    return _compare(title, "bits per dimension", measure, False, runs, scale, [note, *why])


def _compare(
    title: str,
    unit: str,
    measure: str,
    higher: bool,
    runs: Sequence[EvaluatedRun],
    scale: dict[int, tuple[float, float]],
    notes: list[str],
) -> Comparison:
    """`scale` maps id(run) to (shift, factor): value = shift + factor · nats."""
    by_setting: dict[str, list[EvaluatedRun]] = {}
    for run in runs:
        by_setting.setdefault(repr(sorted(run.settings.items())), []).append(run)
    members = [sorted(some, key=lambda run: run.seed or 0) for some in by_setting.values()]

    def values(some: Sequence[EvaluatedRun], name: str) -> np.ndarray:
        return np.stack(
            [scale[id(run)][0] + scale[id(run)][1] * run.per_datum[name] for run in some]
        )

    tested = [values(some, measure) for some in members]
    _, differences = differences_to_best(tested, higher)
    labels = labels_of([some[0].settings for some in members])
    settings = []
    for some, label, difference in zip(members, labels, differences, strict=True):
        shared = set.intersection(*(set(run.per_datum) for run in some))
        summary = {
            name: mean_and_error(values(some, name))
            for name in shared
            if unit.startswith("nats") or name == measure
        }
        if unit.startswith("nats"):
            if "gap" not in summary and {"exact", "elbo"} <= shared:
                summary["gap"] = mean_and_error(values(some, "exact") - values(some, "elbo"))
            if all("mean" in run.bits for run in some):
                summary["bits_per_dim"] = mean_and_error(
                    np.array([[run.bits["mean"]] for run in some])
                )
        settings.append(Setting(label, some, summary, difference))
    settings.sort(key=lambda setting: setting.summary[measure][0], reverse=higher)
    if any(s.difference is not None and not s.difference.seeds_too for s in settings):
        notes = [
            *notes,
            "where a setting has a single seed, its interval covers the data only, not the luck of the seed",
        ]
    return Comparison(title, unit, measure, measure_name(measure, runs), higher, settings, notes)


def choose_measure(runs: Sequence[EvaluatedRun], by: str | None) -> tuple[str, list[str]]:
    """The tightest quantity that every run has on equal terms (as many particles), and what stood in the way of a
    tighter one. A bound with more particles is tighter: that is no merit of its model."""
    shared = set.intersection(*(set(run.per_datum) for run in runs))
    if by is not None:
        if by not in shared:
            raise RequestError(
                f"--by {by}: not every run has it; all have {', '.join(sorted(shared))}"
            )
        efforts = _efforts(runs, by)
        warn = (
            f"ordered by {by} as asked, although its {EFFORT[by]} differ ({_some(efforts)})"
            if by in EFFORT
            else ""
        )
        return by, [warn] if warn and len(efforts) > 1 else []
    notes = []
    for name in TIGHTEST_FIRST:
        if name not in shared:
            continue
        efforts = _efforts(runs, name)
        if len(efforts) > 1 and name in EFFORT:
            option = "--particles" if name == "iwae" else "--ais, --chains and --ais-start"
            notes.append(
                f"{name.upper()} was measured with {_some(efforts)} {EFFORT[name]}, and these are different bounds: "
                f"not compared; evaluate all runs with the same {option}"
            )
            continue
        return name, notes
    raise AssertionError("every evaluated run has an ELBO")


def _efforts(runs: Sequence[EvaluatedRun], name: str) -> list[str]:
    """What was spent on a bound, as words, each once: more makes it tighter."""
    keys = ("temperatures", "particles", "start") if name == "ais" else ("particles",)
    spent = {"/".join(str(run.nats.get(name, {}).get(key)) for key in keys) for run in runs}
    return sorted(spent, key=lambda text: (len(text), text))


def _some(efforts: Sequence[str]) -> str:
    return " and ".join(efforts[:4])


def measure_name(name: str, runs: Sequence[EvaluatedRun]) -> str:
    """As a table calls it: IWAE-5000, AIS-1000, where all have as many particles or temperatures."""
    if name in EFFORT:
        first = {effort.split("/")[0] for effort in _efforts(runs, name)}
        return name.upper() + (f"-{first.pop()}" if len(first) == 1 and "None" not in first else "")
    return NAMES.get(name, name)


def labels_of(settings: Sequence[dict[str, Any]]) -> list[str]:
    """What tells each setting from the others; for a single one, its choices."""
    varied = differing(settings)
    if not varied:
        chosen = [
            str(v)
            for k, v in settings[0].items()
            if k.startswith("choices.") and k != "choices.data"
        ]
        return [" · ".join(chosen) or "the run"] * len(settings)
    labels = []
    for one in settings:
        parts = [(key.removeprefix("choices."), one[key]) for key in varied if key in one]
        labels.append(" · ".join(f"{key}={value}" for key, value in parts) or "defaults")
    return labels


def differing(settings: Sequence[dict[str, Any]]) -> list[str]:
    """The options in which the settings are not all alike, in the order of the configuration.

    A choice brings options of its own along: those that only some settings have are left to the choice's name, unless
    they differ between settings of the same choice.
    """
    keys = dict.fromkeys(key for one in settings for key in one)
    varied = [key for key in keys if len({repr(one.get(key, keys)) for one in settings}) > 1]
    varied = [key for key in varied if not key.endswith("_target_")]
    chosen = {key.removeprefix("choices.") for key in varied if key.startswith("choices.")}

    def tells(key: str) -> bool:
        axis = key.split(".")[0]
        if axis not in chosen or all(key in one for one in settings):
            return True
        by_choice: dict[str, set[str]] = {}
        for one in settings:
            by_choice.setdefault(repr(one.get(f"choices.{axis}")), set()).add(repr(one.get(key)))
        return any(len(values) > 1 for values in by_choice.values())

    return [key for key in varied if tells(key)]

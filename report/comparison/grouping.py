"""Which runs measure the same thing: only those may stand in one table."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

from report.comparison.reading import EvaluatedRun, MeasuredData, Settings
from report.comparison.units import width_in_bits

# Options of the data that do not change what a test example is, or that are compared by what the
# evaluation says about them (the space and the way into it).
WHERE_OR_HOW_MUCH = ("_target_", "root", "download", "cache", "space", "binarisation", "limit")
DENSITIES = ("unit", "real")
ON_THE_SAME_LEVELS = ("bytes", "counts", *DENSITIES)
# What the facts that separate two groups are called, where a reader has a better word.
NAMES = {
    "name": "data",
    "num_examples": "number of examples",
    "fingerprint": "values",
}


@dataclass(frozen=True)
class Group:
    """Runs whose numbers are log-densities of the same values with respect to the same measure.

    A copy of a run is no second seed: it is left out, and a sentence in `copies` says so.
    """

    data: MeasuredData
    options: Settings
    runs: list[EvaluatedRun] = field(default_factory=list)
    copies: list[str] = field(default_factory=list)

    @property
    def title(self) -> str:
        """The data, the split, the space and the count, as a heading."""
        return _title(self.data, self.data.observation or self.data.space)

    @property
    def facts(self) -> Mapping[str, object]:
        """Everything in which two groups can differ, by name."""
        return asdict(self.data) | {f"data.{key}": value for key, value in self.options.items()}

    def add(self, run: EvaluatedRun) -> None:
        """Adds a run of this group, unless its configuration and seed are here already."""
        for known in self.runs:
            if (known.setting, known.seed) == (run.setting, run.seed):
                if known.path.resolve() != run.path.resolve():
                    again = f"{run.path} is {known.path} again (the same configuration and seed)"
                    self.copies.append(f"{again}: counted once")
                return
        self.runs.append(run)


def group(runs: Sequence[EvaluatedRun]) -> list[Group]:
    """Sorts runs into groups, which come in the order of their first runs."""
    groups: list[Group] = []
    for run in runs:
        options = _data_options(run)
        found = next((g for g in groups if g.data == run.data and g.options == options), None)
        if found is None:
            found = Group(run.data, options)
            groups.append(found)
        found.add(run)
    return groups


def _data_options(run: EvaluatedRun) -> Settings:
    """Returns the options that decide what a test example is."""
    named = {
        name.removeprefix("data."): value
        for name, value in run.settings.items()
        if name.startswith("data.")
    }
    return {name: value for name, value in named.items() if name not in WHERE_OR_HOW_MUCH}


def why_apart(groups: Sequence[Group]) -> list[str]:
    """Says of every group but the first, in one sentence, what separates it from the first."""
    reasons = []
    for other in groups[1:]:
        above, here = groups[0].facts, other.facts
        keys = [k for k in {**above, **here} if above.get(k) != here.get(k)]
        if keys != ["fingerprint"]:  # other values are no news where the data differ
            keys = [key for key in keys if key != "fingerprint"]
        if {"space", "observation"} <= set(keys):
            keys.remove("observation")
        parts = [
            f"{NAMES.get(k, k)}: {_short(above.get(k))} above, {_short(here.get(k))} here"
            for k in keys
        ]
        reasons.append("not comparable with the first table; " + "; ".join(parts))
    return reasons


def _short(value: object) -> str:
    return str(value)[:60]


def _title(data: MeasuredData, how: str) -> str:
    return f"{data.name}, {data.split} split, {how}, {data.num_examples:,} examples"


@dataclass(frozen=True)
class Convertible:
    """Groups that conversion to bits per dimension of the stored levels makes comparable."""

    groups: list[Group]

    @property
    def runs(self) -> list[EvaluatedRun]:
        return [run for one in self.groups for run in one.runs]

    @property
    def title(self) -> str:
        """The data, the split and the count, as a heading."""
        return _title(self.groups[0].data, "in bits per dimension")

    @property
    def note(self) -> str:
        """Says what the numbers of either kind of space are."""
        spaces = [one.data.space for one in self.groups]
        densities = [space for space in spaces if space in DENSITIES]
        return (
            f"runs on {' and '.join(spaces)} meet here as bits per dimension of the stored levels: "
            "a density of dequantised values times the width of a level is a lower bound on its "
            f"mass (Theis et al. 2016), so the bits of {' and '.join(densities)} are upper bounds"
        )


def convertible(groups: Sequence[Group]) -> list[Convertible]:
    """Finds the groups that differ in the space only and are all of one quantised data set.

    A density of dequantised values, times the width of a level, is a lower bound on the mass of the
    stored level (Theis et al. 2016): both are then bits per dimension of the same integers. Data
    that were never quantised have no levels to convert to, and binarised data are other data.
    """
    found: list[tuple[Mapping[str, object], Convertible]] = []
    for one in groups:
        width = width_in_bits(one.runs[0])
        unquantised = one.data.space in DENSITIES and width is not None and abs(width) < 1e-6
        if one.data.space not in ON_THE_SAME_LEVELS or width is None or unquantised:
            continue
        apart = ("space", "observation", "fingerprint")
        shared = {key: value for key, value in one.facts.items() if key not in apart}
        known = next((those for facts, those in found if facts == shared), None)
        if known is None:
            found.append((shared, Convertible([one])))
        else:
            known.groups.append(one)
    return [those for _, those in found if len(those.groups) > 1]

"""Which runs measure the same thing: only those may stand in one table."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from report.comparison.reading import EvaluatedRun

WHERE_OR_HOW_MUCH = ("_target_", "root", "download", "cache", "space", "binarisation", "limit")
"""Options of the data that are compared otherwise (the space), or do not change what a test example is."""
ON_THE_SAME_LEVELS = ("bytes", "counts", "unit", "real")


@dataclass(frozen=True)
class Group:
    """Runs whose numbers are log-densities of the same values with respect to the same measure."""

    what: dict[str, Any]
    runs: list[EvaluatedRun]

    @property
    def title(self) -> str:
        """The data, the split, the space and the count, as a heading."""
        space = self.what["observation"] or self.what["space"]
        return f"{self.what['name']}, {self.what['split']} split, {space}, {self.what['num_examples']:,} examples"


def measures(run: EvaluatedRun) -> dict[str, Any]:
    """What the run's numbers are about. Two runs may be compared where these agree."""
    data = run.data
    source = {k: v for k, v in run.config.get("data", {}).items() if k not in WHERE_OR_HOW_MUCH}
    keys = ("name", "split", "space", "observation", "num_examples", "dimensions", "fingerprint")
    return {key: data.get(key) for key in keys} | {f"data.{k}": v for k, v in source.items()}


def group(runs: Sequence[EvaluatedRun]) -> list[Group]:
    """In the order in which they are first met."""
    found: dict[str, Group] = {}
    for run in runs:
        what = measures(run)
        found.setdefault(
            json.dumps(what, sort_keys=True, default=str), Group(what, [])
        ).runs.append(run)
    return list(found.values())


def why_apart(groups: Sequence[Group]) -> list[str]:
    """In one sentence a group, what separates it from the first."""
    names = {
        "name": "data",
        "observation": "observation",
        "num_examples": "number of examples",
        "fingerprint": "values",
    }
    reasons = []
    for other in groups[1:]:
        first = groups[0].what
        keys = [k for k in {**first, **other.what} if first.get(k) != other.what.get(k)]
        if any(key != "fingerprint" for key in keys):
            keys = [
                key for key in keys if key != "fingerprint"
            ]  # other values are no news where the data differ
        if {"space", "observation"} <= set(keys):
            keys.remove("observation")
        parts = [
            f"{names.get(k, k)}: {_short(first.get(k))} above, {_short(other.what.get(k))} here"
            for k in keys
        ]
        reasons.append("not comparable with the first table; " + "; ".join(parts))
    return reasons


def _short(value: Any) -> str:
    return str(value)[:60]


def width_in_bits(run: EvaluatedRun) -> float | None:
    """log₂ of the width of a stored level in the run's space, recovered from its bits per dimension; None if unknown."""
    mean, origin, dimensions = (
        run.bits.get("mean"),
        run.bits.get("from"),
        run.data.get("dimensions"),
    )
    if mean is None or origin not in run.nats or not isinstance(dimensions, int) or dimensions < 1:
        return None
    return -(mean + run.nats[origin]["mean"] / (dimensions * math.log(2)))


def convertible(groups: Sequence[Group]) -> list[list[Group]]:
    """Sets of two or more groups that differ in the space only, all of one quantised data set.

    A density of dequantised values, times the width of a level, is a lower bound on the mass of the stored level
    (Theis et al. 2016): both are then bits per dimension of the same integers. Data that were never quantised have
    no levels to convert to, and binarised data are other data.
    """
    sets: dict[str, list[Group]] = {}
    for one in groups:
        width = width_in_bits(one.runs[0])
        continuous = one.what["space"] in ("unit", "real")
        if (
            one.what["space"] not in ON_THE_SAME_LEVELS
            or width is None
            or (continuous and abs(width) < 1e-6)
        ):
            continue
        same = {
            k: v for k, v in one.what.items() if k not in ("space", "observation", "fingerprint")
        }
        sets.setdefault(json.dumps(same, sort_keys=True, default=str), []).append(one)
    return [found for found in sets.values() if len(found) > 1]

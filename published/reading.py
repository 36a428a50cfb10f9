"""What evaluations of runs say of a quantity, over images and over seeds."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from errors import TrainingError
from published.cell import Measure
from published.verdict import Measured
from report.comparison.paired import Part, ValuesBySeed, paired


def read(measure: Measure, folders: Mapping[str, Sequence[Path]]) -> Measured:
    """Returns the quantity, or the paired difference of two, over seeds.

    Raises:
        TrainingError: an evaluation does not have it.
    """
    ours = folders[measure.of]
    if "." in measure.quantity:
        return _summary([_place(folder, measure.quantity) for folder in ours])
    values = _values(ours, measure.quantity)
    if not measure.minus:
        return alone(values)
    found = paired(values, _values(folders[measure.minus], measure.quantity))
    return Measured(found.mean, found.data, found.seeds, values.shape[1], len(values))


def alone(values: ValuesBySeed) -> Measured:
    """Returns the mean of a row for each seed, with both parts of its variance."""
    seeds, images = values.shape
    per_image, per_seed = values.mean(axis=0), values.mean(axis=1)
    return Measured(
        float(values.mean()),
        Part(float(per_image.var(ddof=1)) / images, images - 1),
        (Part(float(per_seed.var(ddof=1)) / seeds, seeds - 1),) if seeds > 1 else (),
        images,
        seeds,
    )


def _values(folders: Sequence[Path], quantity: str) -> ValuesBySeed:
    rows = []
    for folder in folders:
        with np.load(folder / "evaluation.npz", allow_pickle=False) as arrays:
            if quantity not in arrays:
                known = ", ".join(sorted(arrays))
                raise TrainingError(f"{folder}: no {quantity} was measured; there are {known}")
            rows.append(arrays[quantity])
    return np.stack(rows)


def _place(folder: Path, quantity: str) -> tuple[float, float | None]:
    """Returns the number at a dotted place of evaluation.json, with its standard error if any."""
    found: Any = json.loads((folder / "evaluation.json").read_text(encoding="utf-8"))
    for name in quantity.split("."):
        if not isinstance(found, dict) or name not in found:
            known = ", ".join(found) if isinstance(found, dict) else "no more"
            raise TrainingError(
                f"{folder}: no {quantity} in its evaluation: {name}; there is {known}"
            )
        found = found[name]
    if isinstance(found, dict):
        return float(found["mean"]), float(found["se"])
    return float(found), None


def _summary(found: Sequence[tuple[float, float | None]]) -> Measured:
    means, errors = np.array([mean for mean, _ in found]), [se for _, se in found]
    count = len(means)
    known = [se**2 for se in errors if se is not None]
    # The same images are measured with each seed, so that their part does not fall with the seeds.
    images = Part(float(np.mean(known)), 1e9) if known else None
    seeds = (Part(float(means.var(ddof=1)) / count, count - 1),) if count > 1 else ()
    return Measured(float(means.mean()), images, seeds, 0, count)

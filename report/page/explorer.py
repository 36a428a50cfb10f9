"""The latent explorer: codes of data, and what the decoder makes of them and of other codes.

A page has no decoder: everything that it shows is computed beforehand, by
`evaluation.exploration`.
"""

import math

from torch import Tensor

from errors import printable
from evaluation.exploration import Exploration, explore
from evaluation.result import Evaluation
from evaluation.summary import effort
from report.figures.profile import in_standard_units, names_at_axis
from report.names import bound_name, latent_name
from report.page.content import Axis, ExplorerContent, Measured, Values
from report.page.sprites import Look

PARETO_K = "k̂"
# Columns of a table that are named.
MOST_COLUMNS = 20


def explorer(evaluation: Evaluation) -> ExplorerContent:
    """Returns the content of the latent explorer."""
    shown, weighed = explore(evaluation), evaluation.diagnostics.reliability
    data = evaluation.run.dataset
    drawn = in_standard_units(data)
    look = Look.of(drawn(shown.batch.x))
    return {
        "look": {**look.content, "columns": names_at_axis(data)},
        "sheets": {
            "x": look.sheet(drawn(shown.batch.x)),
            "mean": look.sheet(drawn(shown.reconstruction)),
            "decoded": look.sheet(drawn(shown.decoded)),
        },
        "axes": _axes(shown),
        "measured": _measured(evaluation, shown.batch.size),
        "doubtful": {"name": PARETO_K, "above": None if weighed is None else weighed.threshold},
        "names": [printable(evaluation.origins[i]) for i in range(shown.batch.size)],
        "labels": shown.labels,
        "classes": [printable(label) for label in data.classes],
        "plane": shown.plane,
        "starts": shown.starts,
        "notes": _notes(evaluation, shown) + ([] if look.note is None else [look.note]),
    }


def _axes(shown: Exploration) -> list[Axis]:
    return [
        {
            "name": latent_name(*shown.dimensions[d]),
            "values": _rounded(shown.mean[:, d]),
            "places": _rounded(shown.places[:, k]),
        }
        for k, d in enumerate(shown.shown)
    ]


def _measured(evaluation: Evaluation, count: int) -> list[Measured]:
    """Returns every bound and k̂ of the first `count` data."""
    values = {
        bound_name(name, effort(bound)): bound.per_datum
        for name, bound in evaluation.bounds.items()
        if bool(bound.per_datum.isfinite().all())
    }
    if (weighed := evaluation.diagnostics.reliability) is not None:
        values[PARETO_K] = weighed.pareto_k
    return [{"name": name, "values": _rounded(of[:count])} for name, of in values.items()]


def _rounded(values: Tensor) -> Values:
    return [round(value, 4) if math.isfinite(value) else None for value in values.tolist()]


def _notes(evaluation: Evaluation, shown: Exploration) -> list[str]:
    """Returns sentences about what of the latent space is shown, and what cannot be."""
    split = evaluation.run.data(evaluation.split)
    there, where = len(split), printable(split.source or f"the {evaluation.split} split")
    first = shown.batch.size
    count = f"all {there:,} data" if first == there else f"the first {first:,} of {there:,} data"
    notes = [f"These are {count} of {where}, each at its E_q[z]."]
    data = evaluation.run.dataset
    if data.columns is not None and names_at_axis(data) is None:
        named = ", ".join(map(printable, data.columns[:MOST_COLUMNS]))
        more = ", …" if len(data.columns) > MOST_COLUMNS else ""
        notes.append(f"The dimensions are {named}{more}.")
    if data.units is not None:
        notes.append("They are drawn in standard deviations from the mean of the training data.")
    if shown.redrawn:
        notes.append(
            "This split draws its noise at every access, so these are not the very values that "
            "were measured."
        )
    if shown.in_use == 0:
        notes.append(
            "No dimension is in use: all data have the same code, and the differences are noise."
        )
    elif len(shown.shown) < len(shown.dimensions):
        notes.append(
            f"The axes are the {len(shown.shown)} most active dimensions of "
            f"{len(shown.dimensions)}."
        )
    if len(shown.sites) > 1:
        notes.append(
            f"{' and '.join(shown.sites)} stand side by side: along a dimension of one, the others "
            "are held still."
        )
    if shown.given_labels:
        notes.append(
            "The decoder is given the label too, so no point of the space has a picture of its "
            "own, and a line keeps the label of its datum."
        )
    return notes

"""The latent explorer: codes of data, what the pair makes of each datum, and what the decoder makes of other codes.

A page has no decoder, so all is computed beforehand: with two latent dimensions the plane, on a grid; with more, or where
the decoder is given a label besides, lines through the codes of a few data, along one dimension each.
"""

import math
from typing import Any

import torch
from jaxtyping import Float, Int
from pyro import poutine
from torch import Tensor

from evaluation.diagnostics import MOST_WEIGHED
from evaluation.result import Evaluation
from evidence.structure import latent_sites
from evidence.weights import as_batch
from experiment import Run
from report.figures.pictures import blank
from report.page.codes import Codes, encode
from report.page.naming import bound_name
from report.page.sprites import Look

MOST_DIMENSIONS = 8
"""That can be chosen as axes and have a slider: the most active ones."""
SIDE, STEPS = 32, 13
"""Places along each dimension of the plane; along a line."""
MOST_STARTS = 10
"""Data that lines pass through."""
PRIOR_DRAWS = 1000
DRAWN_ANEW = "The noise of this split is drawn anew each time: these are not the very values that were measured."


@torch.no_grad()
def explorer(run: Run, evaluation: Evaluation) -> dict[str, Any]:
    """Plain values for the page's script, explorer.js, of the first data: those that have a k̂."""
    torch.manual_seed(0)
    split = run.data(evaluation.split)
    count = min(evaluation.num_examples, MOST_WEIGHED)
    columns = as_batch(split[:count])
    codes = encode(run, columns)
    labels = None if split.labels is None else split.labels[:count].tolist()
    shown, plane = _shown(codes), _is_plane(codes)
    places = _places(codes, shown, SIDE if plane else STEPS)
    starts = [] if plane else _starts(codes, labels)
    decoded = codes.decode(*(_plane(places) if plane else _lines(codes, shown, places, starts)))
    look = Look.of(columns[0])
    return {
        "look": look.as_json(),
        "sheets": {
            "x": look.sheet(columns[0]),
            "mean": look.sheet(codes.reconstruction),
            "decoded": look.sheet(decoded),
        },
        "axes": [
            {
                "name": codes.names[d],
                "values": _rounded(codes.mean[:, d]),
                "places": _rounded(places[:, k]),
            }
            for k, d in enumerate(shown)
        ],
        "measured": _measured(evaluation, count),
        "doubtful": {"name": "k̂", "above": evaluation.diagnostics.reliability.threshold},
        "labels": labels,
        "plane": plane,
        "starts": starts,
        "notes": [
            f"The first {count:,} of {len(split):,} data of the {evaluation.split} split, each at E_q[z].",
            *([] if torch.equal(columns[0], as_batch(split[:count])[0]) else [DRAWN_ANEW]),
            *_notes(codes, shown),
            *([] if look.note is None else [look.note]),
        ],
    }


def _is_plane(codes: Codes) -> bool:
    return len(codes.names) == 2 and not codes.given


def _shown(codes: Codes) -> list[int]:
    """The most active dimensions; never fewer than two, if there are two, and two in their own order."""
    most = codes.activity.argsort(descending=True)[
        : min(max(len(codes.active), 2), MOST_DIMENSIONS)
    ].tolist()
    return sorted(most) if len(codes.names) == 2 else most


def _places(codes: Codes, shown: list[int], count: int) -> Float[Tensor, " count shown"]:
    """Evenly spaced over the codes and over the middle 96 % of the prior."""
    trace = poutine.trace(codes.run.model).get_trace(*blank(codes.run, PRIOR_DRAWS))
    drawn = {site["name"]: site["value"].flatten(1) for site in latent_sites(trace)}
    prior = torch.cat([drawn[name] for name in codes.sites], dim=1)[:, shown]
    low = torch.minimum(prior.quantile(0.02, dim=0), codes.mean[:, shown].amin(0))
    high = torch.maximum(prior.quantile(0.98, dim=0), codes.mean[:, shown].amax(0))
    return low + (high - low) * torch.linspace(0, 1, count, device=low.device).unsqueeze(1)


def _starts(codes: Codes, labels: list[int] | None) -> list[int]:
    """The first datum of each label; the first few without labels; any one where the code is a single number."""
    if labels is not None and (codes.given or len(codes.names) > 1):
        return [labels.index(label) for label in sorted(set(labels))][:MOST_STARTS]
    return list(range(min(len(codes.mean), 6 if len(codes.names) > 1 else 1)))


Points = tuple[Float[Tensor, " M latent"], Int[Tensor, " M"]]
"""Codes, and the datum that each belongs to."""


def _plane(places: Float[Tensor, " side 2"]) -> Points:
    """Row by row, the first dimension fastest."""
    z = torch.cartesian_prod(places[:, 1], places[:, 0]).flip(1)
    return z, torch.zeros(len(z), dtype=torch.long, device=z.device)


def _lines(
    codes: Codes, shown: list[int], places: Float[Tensor, " steps shown"], starts: list[int]
) -> Points:
    """For each start, for each dimension: the start's code with that dimension at each of its places."""
    of = torch.tensor(starts, device=places.device)
    z = codes.mean[of].reshape(len(of), 1, 1, -1).repeat(1, len(shown), len(places), 1)
    for k, d in enumerate(shown):
        z[:, k, :, d] = places[:, k]
    return z.flatten(0, 2), of.repeat_interleave(len(shown) * len(places))


def _measured(evaluation: Evaluation, count: int) -> list[dict[str, Any]]:
    """Every bound and k̂, per datum."""
    values = {bound_name(name, bound): bound.per_datum for name, bound in evaluation.bounds.items()}
    values["k̂"] = evaluation.diagnostics.reliability.pareto_k
    return [{"name": name, "values": _rounded(of[:count])} for name, of in values.items()]


def _rounded(values: Tensor) -> list[float | None]:
    """None for what JSON has no number for."""
    return [round(value, 4) if math.isfinite(value) else None for value in values.tolist()]


def _notes(codes: Codes, shown: list[int]) -> list[str]:
    """What of the latent space is shown, and what cannot be."""
    notes = []
    if not codes.active:
        notes.append(
            "No dimension is in use: all data have the same code, and what is seen of it is noise."
        )
    elif len(shown) < len(codes.names):
        notes.append(f"The {len(shown)} most active of {len(codes.names)} dimensions.")
    if len(codes.sites) > 1:
        notes.append(
            f"{' and '.join(codes.sites)} stand side by side: along a dimension of one, the others are held still."
        )
    if codes.given:
        notes.append(
            "The decoder is given the label too: no point of the space has a picture of its own, a line keeps its label."
        )
    return notes

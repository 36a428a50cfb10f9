"""The printed table: where log p(x) is."""

import textwrap
from typing import Any, NamedTuple

from evaluation.result import Evaluation
from evaluation.splits import SOURCES
from evidence.estimate import Details, Enumeration, Exactly, Quadrature


class Row(NamedTuple):
    """One measured number: {"mean", "se"} over the data, and on which side of log p(x) it is, or how it was had."""

    name: str
    value: dict[str, Any]
    note: str


def identity_rows(evaluation: Evaluation) -> list[Row]:
    """The identity, term by term, in nats per datum; the bounds in the order of the ladder; last the bits per dimension."""
    bounds, nats = evaluation.bounds, evaluation.as_json()["nats"]
    rows = [
        Row("reconstruction  E_q[log p(x|z)]", nats["reconstruction"], ""),
        Row("− rate  KL(q(z|x)‖p(z))", nats["kl"], ""),
        Row("= ELBO", nats["elbo"], f"lower bound, {bounds.elbo.particles} particles"),
        Row(
            f"IWAE-{bounds.iwae.particles}",
            nats["iwae"],
            f"lower bound, {bounds.iwae.particles} particles",
        ),
    ]
    if bounds.ais is not None:
        ais = nats["ais"]
        how = f"lower bound, {ais['particles']} chains from the {ais['start']}; {_count(ais)}"
        rows.append(Row(f"AIS-{ais['temperatures']}", ais, how))
        rows.append(
            Row(
                f"  above IWAE-{bounds.iwae.particles}",
                ais["above_iwae"],
                f"paired; {_count(ais)}",
            )
        )
    if bounds.exact is not None:
        rows.append(Row("log p(x)", nats["exact"], "exact" + _how(bounds.exact.details)))
    if bounds.upper is not None:
        rows.append(
            Row(
                f"IW-EUBO-{bounds.upper.particles}",
                nats["upper"],
                "upper bound, from an exact draw of p(z|x)",
            )
        )
    rows += _gap_rows(nats)
    if bounds.truth is not None:
        rows.append(
            Row(
                "log p(x) of the data's own law",
                nats["truth"],
                "exact; no model is better on average",
            )
        )
    bits = evaluation.bits_per_dim()
    density = (
        evaluation.run.dataset.space.measure != "counting"
        and evaluation.run.dataset.quantum is not None
    )
    side = "" if bits["from"] == "exact" and not density else ", an upper bound"
    return [*rows, Row("bits per dimension", bits, f"from {bits['from']}{side}")]


def _gap_rows(nats: dict[str, dict[str, Any]]) -> list[Row]:
    rows = []
    if "gap" in nats:
        rows.append(Row("gap  log p(x) − ELBO", nats["gap"], "paired per datum; KL(q(z|x)‖p(z|x))"))
    for part, whose in (("approximation", "family"), ("amortization", "encoder")):
        if f"{part}_gap" in nats:
            entry = nats[f"{part}_gap"]
            note = f"paired, log p(x) from {SOURCES[entry['from']]}; {_count(entry)}"
            rows.append(Row(f"  the {whose}'s part", entry, note))
    return rows


def evaluation_table(evaluation: Evaluation) -> str:
    """For a terminal: every number with its standard error and side, and what the diagnostics say."""
    data = evaluation.run.dataset
    rows = identity_rows(evaluation)
    width = max(len(name) for name, _, _ in rows)
    head = (
        f"{evaluation.run.path}\n{data.name}, {evaluation.split} split, {evaluation.num_examples:,} examples, "
        f"space {data.description} ({data.space.measure} measure), epoch {evaluation.run.epoch}\n"
    )
    lines = [f"  {'nats per datum':<{width}}  {'mean':>10}  {'s.e.':>7}"]
    lines += [
        f"  {name:<{width}}  {v['mean']:>10.3f}  {v['se']:>7.3f}  {note}".rstrip()
        for name, v, note in rows
    ]
    said = [*(f"! {note}" for note in evaluation.notes), *evaluation.diagnostics.sentences()]
    sentences = [textwrap.fill(s, 110, initial_indent="  ", subsequent_indent="  ") for s in said]
    return "\n".join([head, *lines, "", *sentences])


def _count(entry: dict[str, Any]) -> str:
    return f"the first {entry['num_examples']:,} data"


def _how(details: Details | None) -> str:
    """Says by which method, and how far off any datum can be."""
    if isinstance(details, Quadrature):
        return f", {details.method}, every datum within {details.largest_error:.0e} nats"
    return f", {details.method}" if isinstance(details, Exactly | Enumeration) else ""

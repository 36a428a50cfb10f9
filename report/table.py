"""The printed table: where log p(x) is."""

import textwrap
from typing import Any, NamedTuple

from report.evaluation import Evaluation


class Row(NamedTuple):
    """One measured number: {"mean", "se"} over the data, and on which side of log p(x) it is, or how it was had."""

    name: str
    value: dict[str, Any]
    note: str


def identity_rows(evaluation: Evaluation) -> list[Row]:
    """The identity, term by term, in nats per datum; last the bits per dimension."""
    bounds = evaluation.bounds
    terms = evaluation.as_json()["nats"]
    rows = [
        Row("reconstruction  E_q[log p(x|z)]", terms["reconstruction"], ""),
        Row("− rate  KL(q(z|x)‖p(z))", terms["kl"], ""),
        Row("= ELBO", terms["elbo"], f"lower bound, {bounds['elbo'].particles} particles"),
        Row(f"IWAE-{bounds['iwae'].particles}", terms["iwae"], f"lower bound, {bounds['iwae'].particles} particles"),
    ]
    if "exact" in bounds:
        rows.append(Row("log p(x)", terms["exact"], "exact" + _how(bounds["exact"].details)))
        rows.append(Row("gap  log p(x) − ELBO", terms["gap"], "paired per datum; KL(q(z|x)‖p(z|x))"))
    if "truth" in bounds:
        rows.append(Row("log p(x) of the data's own law", terms["truth"], "exact; no model is better on average"))
    bits = evaluation.bits_per_dim()
    side = "" if bits["from"] == "exact" else ", an upper bound"
    return [*rows, Row("bits per dimension", bits, f"from {bits['from']}{side}")]


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
    lines += [f"  {name:<{width}}  {v['mean']:>10.3f}  {v['se']:>7.3f}  {note}".rstrip() for name, v, note in rows]
    sentences = [textwrap.fill(s, 110, initial_indent="  ", subsequent_indent="  ") for s in evaluation.diagnostics.sentences()]
    return "\n".join([head, *lines, "", *sentences])


def _how(details: dict[str, Any]) -> str:
    """By which method, and how far off any datum can be."""
    error = details.get("largest_error")
    return f", {details['method']}" + ("" if error is None else f", every datum within {error:.0e} nats")

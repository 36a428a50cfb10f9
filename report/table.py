"""The printed table: where log p(x) is."""

import textwrap
from typing import Any, NamedTuple

from evaluation.quantities import Measure
from evaluation.result import Evaluation
from evaluation.summary import annealed, bits_per_dim, effort, gap_bars, measure
from evidence import Estimate
from evidence.estimate import paired
from report.names import BOUNDS, GAP_PARTS, SIDES, TERMS, bound_name, source_name


class Row(NamedTuple):
    """A line of the table: a mean over the data with its error.

    `note` says on which side of log p(x) it is, or how it was computed.
    """

    name: str
    value: Measure
    note: str


def identity_rows(evaluation: Evaluation) -> list[Row]:
    """Returns the identity term by term, in nats per datum, and last the bits per dimension.

    The bounds are in the order of the ladder.
    """
    bounds = evaluation.bounds
    rows = [
        Row(TERMS["reconstruction"], measure(evaluation.reconstruction), ""),
        Row(f"− {TERMS['kl']}", measure(evaluation.kl), ""),
        Row("= ELBO", measure(bounds.elbo.per_datum), _particles(bounds.elbo)),
        _row("iwae", bounds.iwae, _particles(bounds.iwae)),
    ]
    if bounds.ais is not None:
        rows += _annealing_rows(bounds.ais, bounds.iwae)
    if bounds.exact is not None:
        rows.append(_row("exact", bounds.exact, "exact" + _how(bounds.exact.details)))
    if bounds.upper is not None:
        rows.append(_row("upper", bounds.upper, "upper bound, from an exact draw of p(z|x)"))
    rows += _gap_rows(evaluation)
    if bounds.truth is not None:
        own_law = f"{BOUNDS['exact']} of {BOUNDS['truth']}"
        value = measure(bounds.truth.per_datum)
        rows.append(Row(own_law, value, "exact; no model is better on average"))
    return [*rows, _bits_row(evaluation)]


def _row(name: str, bound: Estimate, note: str) -> Row:
    return Row(bound_name(name, effort(bound)), measure(bound.per_datum), note)


def _particles(bound: Estimate) -> str:
    return f"{SIDES[bound.kind]}, {bound.particles} particles"


def _annealing_rows(ais: Estimate, iwae: Estimate) -> list[Row]:
    plan = annealed(ais)
    start = "" if plan is None else f" from the {plan.start}"
    how = f"lower bound, {ais.particles} chains{start}; {_count(ais.num_examples)}"
    above = measure(paired(ais, iwae))
    name = f"  above {bound_name('iwae', effort(iwae))}"
    return [_row("ais", ais, how), Row(name, above, f"paired; {_count(above.num_examples)}")]


def _gap_rows(evaluation: Evaluation) -> list[Row]:
    rows = []
    if evaluation.gap is not None:
        whole = measure(evaluation.gap)
        rows.append(Row("gap  log p(x) − ELBO", whole, "paired per datum; KL(q(z|x)‖p(z|x))"))
    for bar in gap_bars(evaluation):
        if bar.split == evaluation.split:
            for words, value in zip(GAP_PARTS.values(), (bar.family, bar.encoder), strict=True):
                source = f"log p(x) from {source_name(bar.source)}"
                note = f"paired, {source}; {_count(value.num_examples)}"
                rows.append(Row(f"  {words}", value, note))
    return rows


def _bits_row(evaluation: Evaluation) -> Row:
    """Returns the bits per dimension, which are an upper bound unless the mass of x is known."""
    data = evaluation.run.dataset
    density = data.space.measure != "counting" and data.quantum is not None
    known = evaluation.tightest == "exact" and not density
    note = f"from {evaluation.tightest}" + ("" if known else ", an upper bound")
    return Row("bits per dimension", bits_per_dim(evaluation), note)


def evaluation_table(evaluation: Evaluation) -> str:
    """Returns every number with its error and side, and the diagnostics' sentences, as text."""
    data, rows = evaluation.run.dataset, identity_rows(evaluation)
    width = max(len(row.name) for row in rows)
    head = (
        f"{evaluation.run.path}\n"
        f"{data.name}, {evaluation.split} split, {evaluation.num_examples:,} examples, "
        f"space {data.description} ({data.space.measure} measure), epoch {evaluation.run.epoch}\n"
    )
    lines = [f"  {'nats per datum':<{width}}  {'mean':>10}  {'s.e.':>7}"]
    for name, value, note in rows:
        numbers = f"{value.mean:>10.3f}  {value.standard_error:>7.3f}"
        lines.append(f"  {name:<{width}}  {numbers}  {note}".rstrip())
    said = [*(f"! {note}" for note in evaluation.notes), *evaluation.diagnostics.sentences()]
    sentences = [textwrap.fill(s, 110, initial_indent="  ", subsequent_indent="  ") for s in said]
    return "\n".join([head, *lines, "", *sentences])


def _count(num_examples: int) -> str:
    return f"the first {num_examples:,} data"


def _how(details: dict[str, Any]) -> str:
    """By which method, and how far off any datum can be."""
    error = details.get("largest_error")
    return f", {details['method']}" + (
        "" if error is None else f", every datum within {error:.0e} nats"
    )

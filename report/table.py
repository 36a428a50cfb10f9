"""The printed tables: where log p(x) is, and how far off imputed dimensions are."""

import textwrap
from typing import NamedTuple

from evaluation.explain import SOURCES
from evaluation.imputation import Error, Filler, Imputed
from evaluation.measured import Measured, shown
from evaluation.result import Evaluation
from evidence import Estimate
from evidence.estimate import Annealed, Enumeration, Exactly, Quadrature, paired

WIDTH = 110
FILLERS: dict[Filler, str] = {
    "imputed": "E[x_mis|x_obs]",
    "nothing_observed": "E[x_mis], nothing observed",
    "training_mean": "training mean",
}


class Row(NamedTuple):
    """A measured number; `note` says which side of log p(x) it bounds, or how it was computed."""

    name: str
    value: Measured
    note: str = ""


def identity_rows(evaluation: Evaluation) -> list[Row]:
    """Returns the identity term by term in nats per datum, then the bits per dimension.

    The bounds are in the order of the ladder.
    """
    bounds = evaluation.bounds
    iwae = f"IWAE-{bounds.iwae.particles}"
    rows = [
        Row("reconstruction  E_q[log p(x|z)]", Measured.of(evaluation.reconstruction)),
        Row("− rate  KL(q(z|x)‖p(z))", Measured.of(evaluation.kl)),
        _row("= ELBO", bounds.elbo, f"lower bound, {bounds.elbo.particles} particles"),
        _row(iwae, bounds.iwae, f"lower bound, {bounds.iwae.particles} particles"),
    ]
    if bounds.ais is not None:
        rows += _annealed(bounds.ais, bounds.iwae)
    if bounds.exact is not None:
        rows.append(_row("log p(x)", bounds.exact, f"exact{_how(bounds.exact)}"))
    if bounds.upper is not None:
        name = f"IW-EUBO-{bounds.upper.particles}"
        rows.append(_row(name, bounds.upper, "upper bound, from an exact draw of p(z|x)"))
    rows += _gap(evaluation)
    if bounds.truth is not None:
        note = "exact; no model is better on average"
        rows.append(_row("log p(x) of the data's own law", bounds.truth, note))
    return [*rows, _bits(evaluation)]


def _row(name: str, estimate: Estimate, note: str) -> Row:
    return Row(name, Measured.of(estimate.per_datum), note)


def _annealed(ais: Estimate, iwae: Estimate) -> list[Row]:
    assert isinstance(ais.details, Annealed)
    bound, above = Measured.of(ais.per_datum), Measured.of(paired(ais, iwae))
    how = f"lower bound, {ais.particles} chains from the {ais.details.start}; {_count(bound)}"
    return [
        Row(f"AIS-{ais.details.temperatures}", bound, how),
        Row(f"  above IWAE-{iwae.particles}", above, f"paired; {_count(above)}"),
    ]


def _gap(evaluation: Evaluation) -> list[Row]:
    rows = []
    if evaluation.gap is not None:
        note = "paired per datum; KL(q(z|x)‖p(z|x))"
        rows.append(Row("gap  log p(x) − ELBO", Measured.of(evaluation.gap), note))
    gap = evaluation.diagnostics.gap
    if gap is not None and evaluation.split in gap.by_split:
        parts = gap.by_split[evaluation.split]
        for whose, values in (("family", parts.approximation), ("encoder", parts.amortization)):
            part = Measured.of(values)
            note = f"paired, log p(x) from {SOURCES[parts.source]}; {_count(part)}"
            rows.append(Row(f"  the {whose}'s part", part, note))
    return rows


def _bits(evaluation: Evaluation) -> Row:
    data, source = evaluation.run.dataset, evaluation.tightest
    density = data.space.measure != "counting" and data.quantum is not None
    side = "" if source == "exact" and not density else ", an upper bound"
    return Row("bits per dimension", evaluation.bits_per_dim(), f"from {source}{side}")


def _count(measured: Measured) -> str:
    return f"the first {measured.num_examples:,} data"


def _how(exact: Estimate) -> str:
    """Returns the method, and how far off any datum can be."""
    match exact.details:
        case Quadrature(method=method, largest_error=error):
            return f", {method}, every datum within {error:.0e} nats"
        case Exactly(method=method) | Enumeration(method=method):
            return f", {method}"
    return ""


def evaluation_table(evaluation: Evaluation) -> str:
    """Returns every number with its standard error and side, and what the diagnostics say."""
    run, data = evaluation.run, evaluation.run.dataset
    rows = identity_rows(evaluation)
    width = max(len(row.name) for row in rows)
    head = (
        f"{run.path}\n{data.name}, {evaluation.measured_on}, {evaluation.num_examples:,} examples, "
        f"space {data.description} ({data.space.measure} measure), epoch {run.epoch}\n"
    )
    lines = [f"  {'nats per datum':<{width}}  {'mean':>10}  {'s.e.':>7}"]
    for name, value, note in rows:
        numbers = f"{shown(value.mean, 3):>10}  {shown(value.standard_error, 3):>7}"
        lines.append(f"  {name:<{width}}  {numbers}  {note}".rstrip())
    notes = [f"! {note}" for note in evaluation.notes]
    sentences = [
        textwrap.fill(sentence, WIDTH, initial_indent="  ", subsequent_indent="  ")
        for sentence in notes + evaluation.diagnostics.sentences()
    ]
    return "\n".join([head, *lines, "", *sentences])


def imputation_table(imputed: Imputed) -> str:
    """Returns the errors of each filler on the dimensions that were held back."""
    size = imputed.imputation.effective_size
    lines = [
        f"  missing ({imputed.mask}): {imputed.share_missing:.0%} of the dimensions "
        f"of {len(imputed.x):,} {imputed.split} data",
        f"  {'filled in by':<28}{'RMSE':>9}{'s.e.':>9}{'−log p/dim':>13}{'s.e.':>9}",
    ]
    for filler, errors in imputed.errors().items():
        numbers = _error(errors.rmse, 9)
        if errors.nats_per_dimension is not None:
            numbers += _error(errors.nats_per_dimension, 13)
        lines.append(f"  {FILLERS[filler]:<28}{numbers}")
    lines.append(
        f"  effective sample size: median {float(size.median()):.1f}, smallest "
        f"{float(size.min()):.1f} of {imputed.imputation.particles:,} particles; "
        "where it is near 1, take more (--impute-particles)"
    )
    return "\n".join(lines)


def _error(error: Error, width: int) -> str:
    return f"{shown(error.value, 4):>{width}}{shown(error.standard_error, 4):>9}"

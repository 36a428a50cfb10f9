"""The printed table: where log p(x) is, and what is to be said of that."""

import textwrap
from typing import NamedTuple

from evaluation.bounds import Bounds
from evaluation.measured import Measured, shown
from evaluation.notes import Note
from evaluation.result import Evaluation
from evidence import Estimate
from evidence.estimate import Annealed, Coupled, Enumeration, Exactly, Quadrature, paired
from report.explain import remarks
from report.names import source_name

WIDTH = 110
# The width of the names of rows, of which this is the longest.
RECONSTRUCTION = "reconstruction  E_q[log p(x|z)]"
NAMES = len(RECONSTRUCTION)
BITS = "bits per dimension"


class Row(NamedTuple):
    """A measured number; `note` says which side of log p(x) it bounds, or how it was computed."""

    name: str
    value: Measured
    note: str = ""


class Group(NamedTuple):
    """Rows that were measured on the same data, `data` in words."""

    data: str
    rows: list[Row]


def identity_groups(evaluation: Evaluation) -> list[Group]:
    """Returns the identity term by term in nats per datum, and the bits per dimension.

    What was measured on fewer data stands apart, beside the bounds on these data: means over
    different data say how hard the data are. The bounds are in the order of the ladder.
    """
    bounds, total = evaluation.bounds, evaluation.num_examples
    rows: dict[int, list[Row]] = {
        total: [
            Row(RECONSTRUCTION, Measured.of(evaluation.reconstruction)),
            Row("− rate  KL(q(z|x)‖p(z))", Measured.of(evaluation.kl)),
            _row("= ELBO", bounds.elbo, f"lower bound, {bounds.elbo.particles} particles"),
        ]
    }
    counts = [total] if bounds.ais is None else sorted({total, bounds.ais.num_examples})[::-1]
    for count in counts:
        rows.setdefault(count, []).extend(_ladder(bounds, count))
    rows[total] += _gap(evaluation)
    parts = _parts(evaluation)
    for row in parts:
        rows.setdefault(row.value.num_examples, []).append(row)
    if bounds.truth is not None:
        note = "exact; no model is better on average"
        rows[total].append(_row("log p(x) of the data's own law", bounds.truth, note))
    rows[total].append(_bits(evaluation))
    return [
        Group(f"all {count:,} data" if count == total else f"the first {count:,} of them", those)
        for count, those in rows.items()
    ]


def _ladder(bounds: Bounds, count: int) -> list[Row]:
    """Returns the bounds on the first `count` data."""
    if bounds.iwae is None:
        return []
    iwae = bounds.iwae.first(count)
    rows = [_row(f"IWAE-{iwae.particles}", iwae, f"lower bound, {iwae.particles} particles")]
    if bounds.ais is not None and bounds.ais.num_examples == count:
        rows += _annealed(bounds.ais, iwae)
    if bounds.reverse_ais is not None and bounds.reverse_ais.num_examples == count:
        rows += _annealed_back(bounds.reverse_ais, bounds.ais)
    if bounds.exact is not None:
        note = f"exact{_how(bounds.exact)}"
        rows.append(_row("log p(x)", bounds.exact.first(count), note))
    if bounds.upper is not None:
        name = f"IW-EUBO-{bounds.upper.particles}"
        note = "upper bound, from an exact draw of p(z|x)"
        rows.append(_row(name, bounds.upper.first(count), note))
    return rows


def _row(name: str, estimate: Estimate, note: str) -> Row:
    return Row(name, Measured.of(estimate.per_datum), note)


def _annealed(ais: Estimate, iwae: Estimate) -> list[Row]:
    assert isinstance(ais.details, Annealed)
    how = f"lower bound, {ais.particles} chains from the {ais.details.start}"
    above = Row(f"  above IWAE-{iwae.particles}", Measured.of(paired(ais, iwae)), "paired")
    return [_row(f"AIS-{ais.details.temperatures}", ais, how), above]


def _annealed_back(above: Estimate, below: Estimate | None) -> list[Row]:
    details, count = above.details, above.num_examples
    assert isinstance(details, Coupled) and isinstance(details.of, Annealed)
    how = "upper bound in expectation, from draws of p(z|x) by coupled chains"
    if details.never_met:
        how += f"; those of {details.never_met} of {count} data have not met"
    row = _row(f"reverse AIS-{details.of.temperatures}", above, how)
    if below is None or details.never_met:
        return [row]
    return [row, Row("  above AIS", Measured.of(paired(above, below)), "paired")]


def _gap(evaluation: Evaluation) -> list[Row]:
    if evaluation.gap is None:
        return []
    note = "paired per datum; KL(q(z|x)‖p(z|x))"
    return [Row("gap  log p(x) − ELBO", Measured.of(evaluation.gap), note)]


def _parts(evaluation: Evaluation) -> list[Row]:
    gap = evaluation.diagnostics.gap
    if gap is None or evaluation.split not in gap.by_split:
        return []
    parts = gap.by_split[evaluation.split]
    note = f"paired, log p(x) from {source_name(parts.source)}"
    return [
        Row("the gap's part of the family", Measured.of(parts.approximation), note),
        Row("the gap's part of the encoder", Measured.of(parts.amortization), note),
    ]


def _bits(evaluation: Evaluation) -> Row:
    data, source = evaluation.run.dataset, evaluation.tightest
    density = data.space.measure != "counting" and data.quantum is not None
    side = "" if source == "exact" and not density else ", an upper bound"
    return Row(BITS, evaluation.bits_per_dim(), f"from {source_name(source)}{side}")


def _how(exact: Estimate) -> str:
    """Returns the method, and how far off any datum can be."""
    match exact.details:
        case Quadrature(method=method, largest_error=error):
            return f", {method}, every datum within {error:.0e} nats"
        case Exactly(method=method) | Enumeration(method=method):
            return f", {method}"
    return ""


class Table:
    """Every number with its standard error and side, in lines that come as soon as it is known.

    `told` are the rows that were returned, each by the words of its data and its name.
    """

    def __init__(self) -> None:
        self.told: set[tuple[str, str]] = set()
        self.data = ""

    def rows(self, evaluation: Evaluation, last: bool = False) -> list[str]:
        """Returns the lines of what is known and was not told yet, the first with a head.

        The bits per dimension follow from the tightest bound, and wait for it unless it is the
        `last` time.
        """
        waits = not last and bool({"iwae", "exact"} & set(evaluation.partial))
        lines = [] if self.told else [self._head(evaluation)]
        for words, rows in identity_groups(evaluation):
            for row in rows:
                if (words, row.name) in self.told or (waits and row.name == BITS):
                    continue
                if words != self.data and self.told:
                    lines += ["", f"  {words}"]
                self.data = words
                self.told.add((words, row.name))
                lines.append(_line(row))
        return lines

    def _head(self, evaluation: Evaluation) -> str:
        run, data = evaluation.run, evaluation.run.dataset
        return (
            f"{run.path}\n{data.name}, {evaluation.measured_on}, "
            f"{evaluation.num_examples:,} examples, "
            f"space {data.description} ({data.space.measure} measure), epoch {run.epoch}\n\n"
            f"  {'nats per datum':<{NAMES}}  {'mean':>10}  {'s.e.':>7}"
        )


def _line(row: Row) -> str:
    numbers = f"{shown(row.value.mean, 3):>10}  {shown(row.value.standard_error, 3):>7}"
    return f"  {row.name:<{NAMES}}  {numbers}  {row.note}".rstrip()


def remarks_table(evaluation: Evaluation) -> str:
    """Returns what is to be said of an evaluation, in lines of the terminal."""
    return "\n".join(["", *map(paragraph, remarks(evaluation))])


def evaluation_table(evaluation: Evaluation) -> str:
    """Returns every number with its standard error and side, and what is to be said of them."""
    return "\n".join([*Table().rows(evaluation), remarks_table(evaluation)])


def paragraph(note: Note) -> str:
    """Returns a remark in lines of the terminal; only warnings are marked."""
    mark = "  ! " if note.severity == "warning" else "  "
    return textwrap.fill(note.text, WIDTH, initial_indent=mark, subsequent_indent=" " * len(mark))

"""The printed table of imputations: how far off the dimensions are that were held back."""

import math
from collections.abc import Mapping

from errors import printable
from evaluation.imputation import Error, Errors, Filler, Imputed
from evaluation.measured import shown
from evaluation.notes import Note
from report.situation import what_helps
from report.table import paragraph

FILLERS: dict[Filler, str] = {
    "imputed": "E[x_mis|x_obs]",
    "nothing_observed": "E[x_mis], nothing observed",
    "training_mean": "training mean",
}
# The effective sample size below which a single particle decides what is filled in.
POOR = 2
# As many columns of a table are printed; imputations.json has all.
MOST_COLUMNS, LONGEST_NAME = 20, 26


def imputation_table(imputed: Imputed) -> str:
    """Returns the errors of each filler on the dimensions that were held back."""
    size, particles = imputed.imputation.effective_size, imputed.imputation.particles
    found, table = imputed.errors(), imputed.spread is not None
    lines = [
        f"  missing ({imputed.mask}): {imputed.share_missing:.0%} of the dimensions "
        f"of {len(imputed.x):,} {imputed.split} data",
        f"  {'filled in by':<28}{'RMSE/sd' if table else 'RMSE':>9}{'s.e.':>9}"
        f"{'−log p/dim':>13}{'s.e.':>9}",
    ]
    for filler, errors in found.items():
        numbers = _error(errors.standardised_rmse or errors.rmse, 9)
        if errors.nats_per_dimension is not None:
            numbers += _error(errors.nats_per_dimension, 13)
        lines.append(f"  {FILLERS[filler]:<28}{numbers}")
    if table:
        lines += _columns(imputed, found)
    lines.append(
        f"  effective sample size: median {float(size.median()):.1f}, smallest "
        f"{float(size.min()):.1f} of {particles:,} particles"
    )
    if poor := int((size < POOR).sum()):
        text = f"it is below {POOR} for {poor} of {len(size):,} data"
        text += what_helps("more particles (--impute-particles)")
        lines.append(paragraph(Note(text, "warning")))
    return "\n".join(lines)


def _columns(imputed: Imputed, found: Mapping[Filler, Errors]) -> list[str]:
    """Returns the errors of every column by itself, in its own unit."""
    names, counts = imputed.run.dataset.columns or (), imputed.missing.sum(0).tolist()
    lines = [
        "  RMSE/sd counts every column in its standard deviations in the training split;",
        "  the RMSE of each by itself, in its own unit, ± s.e.:",
        f"  {'column':<28}{'missing':>8}"
        + "".join(f"{FILLERS[filler].partition(',')[0]:>24}" for filler in found),
    ]
    for column, (name, count) in enumerate(zip(names, counts, strict=True)):
        if count and column < MOST_COLUMNS:
            cells = "".join(f"{_cell(errors.columns[column]):>24}" for errors in found.values())
            lines.append(f"  {printable(name)[:LONGEST_NAME]:<28}{count:>8,}{cells}")
    if len(names) > MOST_COLUMNS:
        lines.append(f"  … and {len(names) - MOST_COLUMNS} more columns, in imputations.json")
    return lines


def _cell(error: Error) -> str:
    """Returns a number as exactly as its error is known: to the error's second digit."""
    known = error.standard_error > 0
    digits = 1 - math.floor(math.log10(error.standard_error)) if known else 3
    return " ± ".join(f"{n:.{max(digits, 0)}f}" for n in (error.value, error.standard_error))


def _error(error: Error, width: int) -> str:
    return f"{shown(error.value, 4):>{width}}{shown(error.standard_error, 4):>9}"

"""One evaluated run as a page."""

import math
from collections.abc import Sequence
from pathlib import Path

from evaluation.result import Evaluation
from evaluation.summary import effort, ladder
from experiment import Run
from experiment.directory import of_split
from experiment.files import write_whole
from report.explain import remarks
from report.glossary import GLOSSARY
from report.names import bound_name
from report.page.explorer import explorer
from report.page.made import made
from report.page.pictures import is_wide, picture
from report.page.run_charts import ladder_chart, learning_charts
from report.page.template import render
from report.page.unusual import unusual_cards
from report.table import identity_groups

# The figures whose content the page's own charts do not show, with their headings.
FIGURES = {
    "samples": "Means at draws from the prior",
    "reconstructions": "Reconstructions",
    "manifold": "The plane of codes",
    "diagnostics": "Weights and latent dimensions",
    "rate_distortion": "Rate and distortion",
    "bracket": "Annealing from both sides, on simulated data",
    "gap": "The gap in its parts",
    "calibration": "Ranks of the truth among draws of q",
}
FIGURE_BYTES = 400_000


def write_report(run: Run, evaluation: Evaluation, drawn: Sequence[str]) -> Path:
    """Writes report.html, a self-contained file in the run directory, and returns its path.

    `drawn` are the names of the figures that there are.
    """
    folder = run.path / of_split("figures", evaluation.split)
    figures = [
        (title, picture(png, FIGURE_BYTES), is_wide(png))
        for name, title in FIGURES.items()
        if f"{name}.png" in drawn
        for png in [(folder / f"{name}.png").read_bytes()]
    ]
    # The law that synthetic data were drawn from is no bound on what this model makes of them.
    # Nor is an upper bound one where chains have not met.
    every = dict(evaluation.bounds.items())
    bounds = {n: bound for n, bound in every.items() if n != "truth" and math.isfinite(bound.mean)}
    new = "" if run.data(evaluation.split).source is None else ", new data"
    page = render(
        "run.html.j2",
        title=f"{run.dataset.name}: {run.path.resolve().name}{new}",
        run=run,
        evaluation=evaluation,
        groups=identity_groups(evaluation),
        remarks=remarks(evaluation),
        ladder=ladder_chart(ladder(bounds, evaluation.tightest)),
        curves=learning_charts(run.metrics, run.epoch),
        explorer=explorer(evaluation),
        unusual=unusual_cards(evaluation),
        tightest=bound_name(evaluation.tightest, effort(evaluation.bounds.tightest)),
        figures=figures,
        settings=run.request.identity,
        made=made(run),
        glossary=GLOSSARY,
    )
    path = run.path / of_split("report.html", evaluation.split)
    write_whole(path, page.encode(errors="backslashreplace"))
    return path

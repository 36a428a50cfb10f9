"""One evaluated run as a page."""

from collections.abc import Sequence
from pathlib import Path

from evaluation.result import Evaluation
from experiment import Run
from experiment.directory import of_split
from experiment.files import write_whole
from experiment.request import identity
from report.page.explorer import explorer
from report.page.pictures import picture
from report.page.run_charts import ladder, learning_curves
from report.page.template import render
from report.table import identity_rows

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
"""Those that the page's own charts do not show."""
FIGURE_BYTES = 400_000


def write_report(run: Run, evaluation: Evaluation, drawn: Sequence[str]) -> Path:
    """One self-contained HTML file, report.html in the run directory; `drawn` are the names of the figures made."""
    folder = run.path / of_split("figures", evaluation.split)
    figures = [
        (title, picture((folder / f"{name}.png").read_bytes(), FIGURE_BYTES))
        for name, title in FIGURES.items()
        if f"{name}.png" in drawn
    ]
    page = render(
        "run.html.j2",
        title=f"{run.dataset.name}: {run.path.resolve().name}",
        run=run,
        evaluation=evaluation,
        rows=identity_rows(evaluation),
        ladder=ladder(evaluation),
        curves=learning_curves(run),
        explorer=explorer(run, evaluation),
        figures=figures,
        settings=identity(run.config),
    )
    path = run.path / of_split("report.html", evaluation.split)
    write_whole(path, page.encode())
    return path

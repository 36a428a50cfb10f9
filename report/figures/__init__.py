"""The figures of one run.

Each is a function of the run and its evaluation that returns a matplotlib figure, or None if it
makes no sense for this run. Every figure begins with the same random numbers.
"""

import io
from collections.abc import Callable
from contextlib import AbstractContextManager

import matplotlib
import torch
from matplotlib.figure import Figure

from evaluation.imputation import Imputed
from evaluation.result import Evaluation
from experiment import Run
from experiment.directory import of_split
from experiment.files import make_folder, write_whole
from report.figures.bracket import bracket
from report.figures.calibration import calibration
from report.figures.diagnostics import diagnostics
from report.figures.gap import gap
from report.figures.identity import identity
from report.figures.imputations import imputations
from report.figures.latent_space import latent_space
from report.figures.learning_curves import learning_curves
from report.figures.manifold import manifold
from report.figures.rate_distortion import rate_distortion
from report.figures.reconstructions import reconstructions
from report.figures.samples import samples
from report.figures.style import STYLE

FIGURES: dict[str, Callable[[Run, Evaluation], Figure | None]] = {
    "learning_curves": learning_curves,
    "identity": identity,
    "reconstructions": reconstructions,
    "samples": samples,
    "latent_space": latent_space,
    "manifold": manifold,
    "diagnostics": diagnostics,
    "rate_distortion": rate_distortion,
    "bracket": bracket,
    "gap": gap,
    "calibration": calibration,
}


def draw_all(run: Run, evaluation: Evaluation) -> list[str]:
    """Writes figures/<name>.png for every figure that the run has; returns the files' names."""
    drawn = []
    for name, draw in FIGURES.items():
        torch.manual_seed(0)
        with torch.no_grad(), style():
            figure = draw(run, evaluation)
        if figure is not None:
            save(figure, run, name, evaluation.split)
            drawn.append(f"{name}.png")
    return drawn


def draw_imputations(imputed: Imputed) -> None:
    """Writes figures/imputations.png."""
    with style():
        figure = imputations(imputed)
    save(figure, imputed.run, "imputations", imputed.split)


def style() -> AbstractContextManager[None]:
    """Returns the context in which every figure is made and saved."""
    return matplotlib.rc_context(STYLE)


def save(figure: Figure, run: Run, name: str, split: str) -> None:
    """Writes figures/<name>.png, whole or not at all; every split but test has its own folder."""
    buffer = io.BytesIO()
    with style():
        figure.savefig(buffer, format="png", dpi=150, bbox_inches="tight")
    folder = make_folder(run.path / of_split("figures", split))
    write_whole(folder / f"{name}.png", buffer.getvalue())

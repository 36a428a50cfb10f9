"""The figures of one run.

Each is a function of the run and its evaluation that returns a matplotlib figure, or None if it
makes no sense for this run. Every figure begins with the same random numbers.
"""

import io
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import matplotlib
import torch
from matplotlib.figure import Figure

from evaluation.imputation import Imputed
from evaluation.options import Format
from evaluation.result import Evaluation
from evidence.progress import steps
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

# The same figure is the same file: no date is written into it.
UNDATED = {"pdf": {"CreationDate": None}, "svg": {"Date": None}}


def draw_all(run: Run, evaluation: Evaluation, formats: Sequence[Format] = ()) -> list[str]:
    """Writes figures/<name>.png for every figure that the run has; returns the files' names.

    It is written in each of `formats`, too: the page and other commands read the .png.
    """
    drawn = []
    for name, draw in steps(FIGURES.items(), "figure"):
        torch.manual_seed(0)
        with torch.no_grad(), style():
            figure = draw(run, evaluation)
        if figure is not None:
            drawn += save(figure, run, name, evaluation.split, formats)
    return drawn


def draw_imputations(imputed: Imputed, formats: Sequence[Format] = ()) -> list[str]:
    """Writes figures/imputations.png, and in each of `formats`; returns the files' names."""
    with style():
        figure = imputations(imputed)
    return save(figure, imputed.run, "imputations", imputed.split, formats)


def style() -> AbstractContextManager[None]:
    """Returns the context in which every figure is made and saved."""
    return matplotlib.rc_context(STYLE)


def save(
    figure: Figure, run: Run, name: str, split: str, formats: Sequence[Format] = ()
) -> list[str]:
    """Writes figures/<name>.png and in `formats`; returns the files' names.

    Every split but test has its own folder.
    """
    return write(figure, make_folder(run.path / of_split("figures", split)), name, formats)


def write(figure: Figure, folder: Path, name: str, formats: Sequence[Format] = ()) -> list[str]:
    """Writes <name>.png and in `formats`, whole or not at all; returns the files' names."""
    files = {f"{name}.{form}": form for form in ("png", *formats)}
    for file, form in files.items():
        buffer = io.BytesIO()
        with style():
            figure.savefig(
                buffer, format=form, dpi=150, bbox_inches="tight", metadata=UNDATED.get(form)
            )
        write_whole(folder / file, buffer.getvalue())
    return list(files)

"""The figures of one run, each a function of the run and its evaluation that returns a matplotlib figure or None."""

import io
from collections.abc import Callable

from matplotlib.figure import Figure

from inference import Run
from inference.run_directory import write_whole
from report.evaluation import Evaluation
from report.figures.bracket import bracket
from report.figures.calibration import calibration
from report.figures.diagnostics import diagnostics
from report.figures.gap import gap
from report.figures.identity import identity
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
    """Write figures/<name>.png for every figure that makes sense for this run; return their names."""
    import matplotlib
    import torch

    drawn = []
    with matplotlib.rc_context(STYLE), torch.no_grad():
        for name, draw in FIGURES.items():
            torch.manual_seed(0)
            figure = draw(run, evaluation)
            if figure is None:
                continue
            buffer = io.BytesIO()
            figure.savefig(buffer, format="png", dpi=150, bbox_inches="tight")
            write_whole(run.path / "figures" / f"{name}.png", buffer.getvalue())
            drawn.append(f"{name}.png")
    return drawn

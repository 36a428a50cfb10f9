"""What the model dreams of: E[x|z] at z ~ p(z)."""

from matplotlib.figure import Figure

from evaluation.result import Evaluation
from experiment import Run
from report.figures.pictures import generate, is_picture, mosaic
from report.figures.style import MIDDLE

ROWS, COLUMNS = 8, 16


def samples(run: Run, evaluation: Evaluation) -> Figure | None:
    """Means of p(x|z) at draws from the prior; vectors as overlaid profiles."""
    means = generate(run, ROWS * COLUMNS)
    if is_picture(run.dataset.shape):
        figure = Figure(figsize=(10, 10 * ROWS / COLUMNS + 0.4))
        axis = figure.subplots()
        axis.imshow(mosaic(means, ROWS, COLUMNS), vmin=0, vmax=1)
        axis.set_axis_off()
    else:
        figure = Figure(figsize=(10, 3))
        axis = figure.subplots()
        axis.plot(means.flatten(1).cpu().T, color=MIDDLE, alpha=0.25, linewidth=0.8)
        axis.set_xlabel("dimension")
        axis.set_ylabel("value")
    axis.set_title("E[x | z] at z ~ p(z)")
    return figure

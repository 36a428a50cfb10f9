"""What the model expects of x before it has seen any: E[x|z] at z ~ p(z)."""

from matplotlib.figure import Figure

from evaluation.result import Evaluation
from experiment import Run
from experiment.predictions import generate
from report.figures.mosaic import is_picture, mosaic
from report.figures.profile import in_standard_units, label_profiles
from report.figures.style import MIDDLE

ROWS, COLUMNS = 8, 16


def samples(run: Run, evaluation: Evaluation) -> Figure | None:
    """Draws means of p(x|z) at draws from the prior; vectors as profiles upon each other.

    A model that is given labels has a column for each, if there are no more than COLUMNS.
    """
    labels = run.dataset.num_classes if run.data("train").given_labels else 0
    columns = labels if 0 < labels <= COLUMNS else COLUMNS
    means = generate(run.model, run.dataset, ROWS * columns)
    if is_picture(run.dataset.shape):
        figure = Figure(figsize=(10, 10 * ROWS / columns + 0.4))
        axis = figure.subplots()
        axis.imshow(mosaic(means, ROWS, columns), vmin=0, vmax=1)
        axis.set_axis_off()
    else:
        figure = Figure(figsize=(10, 3))
        axis = figure.subplots()
        drawn = in_standard_units(run.dataset)(means)
        axis.plot(drawn.flatten(1).cpu().T, color=MIDDLE, alpha=0.25, linewidth=0.8)
        label_profiles(figure, run.dataset)
    what = "E[x | z, y] at z ~ p(z), y in turn" if labels else "E[x | z] at z ~ p(z)"
    axis.set_title(what)
    return figure

"""Data that are no pictures, as profiles: a value for each dimension, or column of a table."""

from collections.abc import Callable

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from data import Dataset
from errors import printable

# As many columns are named at the axis; of more, the dimensions are counted.
MOST_NAMED, LONGEST_NAME = 12, 14


def in_standard_units(data: Dataset) -> Callable[[Tensor], Tensor]:
    """Returns how data are drawn: as they are, or columns of different units side by side."""
    units = data.units
    if units is None:
        return lambda x: x
    return lambda x: (x - units.mean.to(x.device)) / units.sd.to(x.device)


def label_profiles(figure: Figure, data: Dataset) -> None:
    """Says at the axes of `figure` what the dimensions are, and in what they are measured."""
    axes, names = figure.axes, names_at_axis(data)
    for axis in axes:
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        if names is not None:
            slanted = sum(map(len, names)) > (80 if len(axes) == 1 else 24)
            axis.set_xticks(range(len(names)), names)
            axis.tick_params("x", labelsize=8, labelrotation=30 if slanted else 0)
    figure.supxlabel("dimension" if data.columns is None else "column", fontsize=10)
    unit = "value" if data.units is None else "standard deviations from the mean"
    figure.supylabel(unit, fontsize=10 if data.units is None else 9)


def names_at_axis(data: Dataset) -> list[str] | None:
    """Returns what the columns of a table are called at an axis, if there is room for all names."""
    if data.columns is None or len(data.columns) > MOST_NAMED:
        return None
    return [_short(printable(name)) for name in data.columns]


def _short(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1] + "…"

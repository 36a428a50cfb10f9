"""One look for every figure: quiet axes and few colours.

The colours differ in lightness and their marks in shape, so that a print in black and white reads.
"""

from typing import Any

from matplotlib.axes import Axes

from errors import printable

# The mark of an estimate by its kind.
MARKS: dict[str, str] = {"lower": ">", "exact": "D", "upper": "<"}
DARK, ACCENT, MIDDLE, LIGHT = "#1b1b1b", "#c2410c", "#5b7fa6", "#c9d3de"
# The line at zero.
ZERO = "#888888"

STYLE: Any = {
    "figure.constrained_layout.use": True,
    "figure.facecolor": "white",
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#888888",
    "axes.linewidth": 0.8,
    "axes.axisbelow": True,
    "xtick.color": "#444444",
    "ytick.color": "#444444",
    "xtick.direction": "out",
    "legend.frameon": False,
    "lines.linewidth": 1.6,
    "image.cmap": "gray_r",
    "image.interpolation": "nearest",
    # Fonts are embedded as a journal asks, and the same figure is the same file.
    "pdf.fonttype": 42,
    "svg.hashsalt": "figure",
}


def plain(text: object) -> str:
    """Returns anybody's text, a label or a name, as it reads: matplotlib takes `$…$` for TeX.

    >>> plain("$5 to $10")
    '\\\\$5 to \\\\$10'
    """
    return printable(text).replace("$", r"\$")


def frame_rows_of_pictures(axis: Axes, labels: list[str], height: int) -> None:
    """Labels the rows of a mosaic whose pictures are `height` pixels high, and hides the axes."""
    axis.set_yticks([(row + 0.5) * (height + 1) for row in range(len(labels))], labels)
    axis.set_xticks([])
    axis.tick_params(length=0)
    for spine in axis.spines.values():
        spine.set_visible(False)

"""One look for every figure: quiet axes, few colours, told apart in black and white by lightness and mark."""

from typing import Any

MARKS = {"lower": ">", "exact": "D", "upper": "<"}
"""By the kind of an estimate."""
DARK, ACCENT, MIDDLE, LIGHT = "#1b1b1b", "#c2410c", "#5b7fa6", "#c9d3de"

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
}

"""A chart as data: coordinates ready to draw. The template turns it into SVG."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

WIDTH, HEIGHT = 440, 280
LEFT, RIGHT, TOP, BOTTOM = 66, 12, 12, 40
ROW = 18
"""The height of a row, where a chart has rows instead of a vertical scale."""
GLYPHS = {"lower": "▶", "exact": "◆", "upper": "◀"}
"""A bound by the side of log p(x) that it is on."""


@dataclass(frozen=True)
class Scale:
    """From values to pixels, with ticks at round numbers."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        return round(
            self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start), 1
        )

    @property
    def ticks(self) -> list[tuple[float, str]]:
        """About four, at multiples of 1, 2 or 5 times a power of ten."""
        rough = (self.high - self.low) / 4
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(m * power for m in (1, 2, 5, 10) if m * power >= rough)
        decimals = max(0, -math.floor(math.log10(step) + 1e-9))
        first = math.ceil(self.low / step - 1e-9)
        places = [k * step for k in range(first, math.floor(self.high / step + 1e-9) + 1)]
        return [(self(place), f"{place:.{decimals}f}".replace("-", "−")) for place in places]


def scale(values: Sequence[float], start: float, end: float, margin: float = 0.06) -> Scale:
    """Over the finite `values`, with room on both sides."""
    finite = [value for value in values if math.isfinite(value)] or [0.0]
    low, high = min(finite), max(finite)
    room = margin * (high - low) or 0.5 * max(abs(high), 1e-3) * 0.1
    return Scale(low - room, high + room, start, end)


@dataclass(frozen=True)
class Mark:
    """Something drawn for the setting number `series`: a path, or a glyph at a point. `label` shows on hovering."""

    series: int
    label: str
    path: str = ""
    x: float = 0.0
    y: float = 0.0
    glyph: str = ""


@dataclass(frozen=True)
class Chart:
    """Marks on one or two scales."""

    name: str
    title: str
    note: str
    x: Scale
    xlabel: str
    y: Scale | None = None
    ylabel: str = ""
    marks: list[Mark] = field(default_factory=list)
    guides: list[str] = field(default_factory=list)
    """Paths behind the marks."""
    rows: list[tuple[float, str, int]] = field(default_factory=list)
    """Labels down the left side, instead of a vertical scale: height, text, series."""
    height: float = HEIGHT
    width: float = WIDTH
    left: float = LEFT


def polyline(points: Sequence[tuple[float, float]]) -> str:
    """As the `d` of an SVG path."""
    return "M" + "L".join(f"{x:g} {y:g}" for x, y in points)

"""A chart as data: coordinates that are ready to draw. The template turns it into SVG."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from report.epochs import epoch_ticks

WIDTH, HEIGHT = 440, 280
LEFT, RIGHT, TOP, BOTTOM = 66, 12, 12, 40
# Pixels from the frame of a chart at which whatever lies outside is cut anyway.
FARTHEST = 1e5
# The height of a row, in a chart that has rows instead of a vertical scale.
ROW = 18
# The mark of a bound by the side of log p(x) that it is on.
GLYPHS = {"lower": "▶", "exact": "◆", "upper": "◀"}


@dataclass(frozen=True)
class Scale:
    """A map from values to pixels, with ticks at `places` or else at round numbers."""

    low: float
    high: float
    start: float
    end: float
    places: tuple[int, ...] = ()

    def __call__(self, value: float) -> float:
        """Returns the pixel of `value`, at most FARTHEST away: a browser draws no farther."""
        share = (value - self.low) / (self.high - self.low)
        pixel = self.start + share * (self.end - self.start)
        return round(min(max(pixel, -FARTHEST), FARTHEST), 1)

    @property
    def ticks(self) -> list[tuple[float, str]]:
        """About four places and their labels, at multiples of 1, 2 or 5 times a power of ten."""
        if self.places:
            return [(self(place), str(place)) for place in self.places]
        rough = (self.high - self.low) / 4
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(m * power for m in (1, 2, 5, 10) if m * power >= rough)
        decimals = max(0, -math.floor(math.log10(step) + 1e-9))
        first = math.ceil(self.low / step - 1e-9)
        places = [k * step for k in range(first, math.floor(self.high / step + 1e-9) + 1)]
        return [(self(place), f"{place:.{decimals}f}".replace("-", "−")) for place in places]


def scale(values: Sequence[float], start: float, end: float, margin: float = 0.06) -> Scale:
    """Returns a scale over the finite `values`, with room on both sides."""
    finite = [value for value in values if math.isfinite(value)] or [0.0]
    low, high = min(finite), max(finite)
    room = margin * (high - low) or 0.5 * max(abs(high), 1e-3) * 0.1
    return Scale(low - room, high + room, start, end)


def epochs(numbers: Sequence[int]) -> Scale:
    """Returns a scale over epochs from the left to the right of a chart."""
    first, last = min(numbers), max(numbers)
    return Scale(first, max(last, first + 1), LEFT, WIDTH - RIGHT, tuple(epoch_ticks(first, last)))


@dataclass(frozen=True)
class Mark:
    """Something that is drawn for the setting number `series`: a path, or a glyph at a point.

    A path is a line, a "bar" or a "whisker". `label` shows when the pointer is over it.
    """

    series: int
    label: str
    path: str = ""
    x: float = 0.0
    y: float = 0.0
    glyph: str = ""


@dataclass(frozen=True)
class Chart:
    """Marks on one or two scales.

    `guides` are paths behind the marks. `rows` are labels down the left side that stand instead of
    a vertical scale, each with its height and its series. `legend` names series where no row does.
    """

    name: str
    title: str
    note: str
    x: Scale
    xlabel: str
    y: Scale | None = None
    ylabel: str = ""
    marks: list[Mark] = field(default_factory=list)
    guides: list[str] = field(default_factory=list)
    rows: list[tuple[float, str, int]] = field(default_factory=list)
    legend: list[tuple[str, int]] = field(default_factory=list)
    height: float = HEIGHT
    width: float = WIDTH
    left: float = LEFT


def polyline(points: Sequence[tuple[float, float]]) -> str:
    """Returns the `d` of an SVG path through `points`."""
    return "M" + "L".join(f"{x:g} {y:g}" for x, y in points)


def lines_of(path: str) -> list[list[tuple[float, float]]]:
    """Returns the points of every line of a path.

    >>> lines_of(whisker((1, 5), 3, 2))[0]
    [(1.0, 3.0), (5.0, 3.0)]
    """
    lines = [line.removesuffix("Z").split("L") for line in path.split("M")[1:]]
    return [[(float(x), float(y)) for x, y in map(str.split, line)] for line in lines]


def whisker(ends: Sequence[float], at: float, cap: float = 3, upright: bool = False) -> str:
    """Returns the path of an error bar between two `ends`, at the height or the place `at`."""
    lines = [[(e, at) for e in ends], *([(e, at - cap), (e, at + cap)] for e in ends)]
    if upright:
        lines = [[(y, x) for x, y in line] for line in lines]
    return "".join(map(polyline, lines))

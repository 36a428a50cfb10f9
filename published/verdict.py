"""What a measurement says of a published figure: two one-sided tests against a fixed margin.

The interval covers the difference with probability 90 %, so that each of its ends is a one-sided
test of level 5 % (Schuirmann 1987). Where it lies within the margin, the figure is reproduced.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from scipy.special import stdtrit

from published.cell import Better, Cell
from report.comparison.paired import Part, satterthwaite

LEVEL = 0.05
# Degrees of freedom of a spread that is known.
KNOWN = 1e9

Word = Literal["reproduced", "better", "worse", "not comparable"]


@dataclass(frozen=True)
class Measured:
    """A mean of ours, and the parts of its variance; no part where one cannot be known.

    `images` is the part of which images were drawn, `seeds` that of which seeds were.
    """

    mean: float
    images: Part | None = None
    seeds: tuple[Part, ...] = ()
    num_examples: int = 0
    num_seeds: int = 1


class Interval(NamedTuple):
    """Ours minus the published figure, and the ends of the interval of that."""

    difference: float
    low: float
    high: float


class Verdict(NamedTuple):
    """The word, and why; "" where the interval says it all."""

    word: Word
    because: str = ""

    def __str__(self) -> str:
        if self.word == "not comparable":
            return f"{self.word}, because {self.because}"
        return self.word


def interval(
    ours: Measured, value: float, se: float, images: Literal["shared", "sampled"]
) -> Interval:
    """Returns ours minus the published `value`, with the interval of both one-sided tests."""
    parts: list[Part] = [*ours.seeds]
    if images == "sampled" and ours.images is not None:
        parts.append(ours.images)
    if se:
        parts.append(Part(se**2, KNOWN))
    difference = ours.mean - value
    half = half_width(parts)
    return Interval(difference, difference - half, difference + half)


def half_width(parts: Sequence[Part]) -> float:
    """Returns what a one-sided test adds to a mean whose variance has these parts."""
    if not parts:
        return 0.0
    total = satterthwaite(parts)
    return float(-stdtrit(total.freedom, LEVEL)) * math.sqrt(total.variance)


def decided(found: Interval, margin: float, better: Better) -> Verdict:
    """Returns the verdict of an interval, for a figure that is published for the same protocol."""
    if not all(map(math.isfinite, found)):
        return Verdict("not comparable", "what was measured is not finite")
    if -margin < found.low and found.high < margin:
        return Verdict("reproduced")
    above, below = found.low > 0, found.high < 0
    if better == "lower":
        above, below = below, above
    if above and better != "neither":
        return Verdict("better")
    if above or below:
        return Verdict("worse")
    return Verdict(
        "not comparable",
        f"the interval is too wide for a margin of {margin:g}: more seeds or images are needed",
    )


def judged(cell: Cell, ours: Measured) -> tuple[Interval, Verdict]:
    """Returns the interval of ours minus the published figure, and what follows."""
    found = interval(ours, cell.claim.value, cell.claim.se, cell.images)
    if cell.not_comparable:
        return found, Verdict("not comparable", cell.not_comparable)
    return found, decided(found, cell.margin, cell.better)

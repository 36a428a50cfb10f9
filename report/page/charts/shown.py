"""What every chart of a comparison needs to know of its runs."""

from collections.abc import Sequence
from typing import NamedTuple

from report.comparison.reading import EvaluatedRun, Measurement
from report.page.chart import LEFT, ROW, TOP

ERRORS = "Whiskers: ± s.e. over data, which the runs largely share."
# Characters of a name beside a row, and pixels of one of them.
LONGEST, LETTER = 26, 7.6


class Shown(NamedTuple):
    """A run in a chart: the number of its setting, from 0, and what the setting is called."""

    series: int
    name: str
    run: EvaluatedRun

    @property
    def label(self) -> str:
        """What the run is called."""
        return f"{self.name}, seed {self.run.seed}"


def middle(row: int) -> float:
    """Returns the height of the middle of a row."""
    return TOP + ROW * (row + 0.5)


def rows_of(runs: Sequence[Shown]) -> list[tuple[float, str, int]]:
    """Returns the height, the label and the series of a row for each run."""
    return [
        (middle(row), f"{short(one.name, one.series)} s{one.run.seed}", one.series)
        for row, one in enumerate(runs)
    ]


def short(name: str, series: int) -> str:
    """Returns a setting's number and as much of its name as there is room for."""
    return f"{series + 1} {cut(name)}"


def cut(name: str) -> str:
    """Returns as much of a name as there is room for."""
    return name if len(name) <= LONGEST else name[: LONGEST - 1] + "…"


def left_of(rows: Sequence[tuple[float, str, int]]) -> float:
    """Returns where a chart begins, so that the names of its rows have room beside it."""
    return max(LEFT, 12 + LETTER * max(len(label) for _, label, _ in rows))


def legend(runs: Sequence[Shown]) -> list[tuple[str, int]]:
    """Returns the names of the settings and their series."""
    return list(dict.fromkeys((one.name, one.series) for one in runs))


def around(value: float, measured: Measurement) -> tuple[float, float]:
    """Returns a value minus and plus the standard error over data that was measured with it."""
    error = measured.se or 0.0
    return value - error, value + error

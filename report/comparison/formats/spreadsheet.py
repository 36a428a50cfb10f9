"""CSV with every number in full and in a column of its own."""

import csv
import io
import math
from collections.abc import Iterable, Sequence

from report.comparison.comparing import Comparison, Setting
from report.comparison.quantities import Quantity
from report.comparison.statistics import Difference

TESTS = ("difference", "difference_low", "difference_high", "p_holm")
PAIRS = ("setting", "other", *TESTS, "se", "degrees_of_freedom", "se_seeds", "se_data")


def settings_csv(comparisons: Sequence[Comparison]) -> str:
    """Writes one line for each setting."""
    names = dict.fromkeys(name for one in comparisons for name in one.columns)
    measured = [name for name in names if name in set(Quantity)]
    columns = [f"{name}_{part}" for name in measured for part in ("mean", "se")]
    heading = ["setting", "seeds", "runs", *columns, "se_over", "measure", *TESTS]
    rows = (
        [*_start(one), *_setting(setting, measured), one.measure, *_tests(setting.difference)]
        for one in comparisons
        for setting in one.settings
    )
    return _written(["comparison", "unit", *heading], rows)


def pairs_csv(comparisons: Sequence[Comparison]) -> str:
    """Writes one line for each pair of settings that is compared."""
    rows = (
        [
            *_start(one),
            one.measure,
            *(one.settings[index].label for index in pair),
            *_tests(d),
            *map(_plain, (d.test.error, d.test.total.freedom)),
            *map(_plain, (math.sqrt(sum(v for v, _ in d.test.seeds)), _data_error(d))),
            d.seeds_needed,  # None is an empty cell
        ]
        for one in comparisons
        for pair, d in one.family.differences.items()
    )
    return _written(["comparison", "unit", "measure", *PAIRS, "seeds_needed"], rows)


def _start(comparison: Comparison) -> list[str]:
    return [comparison.title, str(comparison.unit)]


def _setting(setting: Setting, names: Sequence[str]) -> list[object]:
    averages = [setting.averages.get(name) for name in names]
    numbers = [n for a in averages for n in (("", "") if a is None else map(_plain, a[:2]))]
    over = next(iter(setting.averages.values())).over
    runs = " ".join(str(run.path) for run in setting.runs)
    return [setting.label, len(setting.runs), runs, *numbers, over]


def _tests(d: Difference | None) -> list[str]:
    return [""] * len(TESTS) if d is None else [_plain(v) for v in (d.mean, d.low, d.high, d.p)]


def _data_error(d: Difference) -> float:
    return math.nan if d.test.data is None else math.sqrt(d.test.data.variance)


def _plain(value: float) -> str:
    return repr(float(value)) if math.isfinite(value) else ""


def _written(heading: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(heading)
    writer.writerows(rows)
    return buffer.getvalue()

"""The figures of all benchmarks as a page of bars: shorter is faster, this project first."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from experiment.files import write_whole
from report.page.template import render

TITLES = {
    "start_up": ("Start-up", "Seconds on the wall of a process of its own."),
    "train_step": ("One training step", "Milliseconds, medians of rounds in turn."),
    "whole_runs": ("A whole training", "Seconds on the wall, from the prompt and back."),
    "pyro_programs": (
        "Any Pyro program",
        "Milliseconds of a step under Pyro's own SVI, with Pyro's loss and with CompiledELBO.",
    ),
    "evidence": ("Evidence", "Milliseconds of a call."),
    "time_to_elbo": ("Time to an ELBO", "Seconds of training until the test ELBO is reached."),
}


@dataclass(frozen=True)
class Bar:
    """A bar shows the time of a contender, its quartiles over rounds, and the ratio to ours."""

    peer: str
    time: float
    low: float
    high: float
    ratio: float
    longest: float
    unit: str

    @property
    def label(self) -> str:
        """The time with two decimals, or three digits, and its unit."""
        return f"{self.time:.{2 if self.time < 10 else 1 if self.time < 100 else 0}f} {self.unit}"

    def share(self, time: float) -> float:
        """Returns the percentage of the width that stands for `time`."""
        return round(100 * time / self.longest, 2)


@dataclass(frozen=True)
class Chart:
    """A chart has a bar for each contender of a case."""

    title: str
    bars: list[Bar]


@dataclass(frozen=True)
class Section:
    """A section says what a benchmark measures, on what and when, and has its charts."""

    title: str
    what: str
    where: str
    charts: list[Chart]


def write_page(folder: Path) -> Path:
    """Writes `folder`/index.html from the figures in `folder`; returns its path."""
    page = render(
        "benchmarks.html.j2", title="This project beside its peers", sections=list(sections(folder))
    )
    path = folder / "index.html"
    write_whole(path, page.encode(errors="backslashreplace"))
    return path


def sections(folder: Path) -> Iterator[Section]:
    """Yields what there is of each benchmark."""
    for name, (title, what) in TITLES.items():
        file = folder / f"{name}.json"
        if not file.exists():
            continue
        stored = json.loads(file.read_text())
        charts = [chart(case, of) for case, of in by_case(stored["records"]).items()]
        said = [f"{key} {value}" for key, value in stored["environment"].items() if value]
        day = date.fromtimestamp(file.stat().st_mtime).isoformat()
        yield Section(title, what, f"{day}, {', '.join(said)}", charts)


def by_case(records: list[dict]) -> dict[str, list[dict]]:
    """Groups records by their case; of a contender that is measured again and again, the last."""
    found: dict[str, dict[str, dict]] = {}
    for record in records:
        found.setdefault(record.get("case", "until the target"), {})[record["peer"]] = record
    return {case: list(of.values()) for case, of in found.items()}


def chart(case: str, records: list[dict]) -> Chart:
    """Makes the bars of a case; times of a second and more are seconds."""
    in_ms = [
        (r["peer"], *((r["ms"], *r["quartiles_ms"]) if "ms" in r else (r["seconds"] * 1e3,) * 3))
        for r in records
    ]
    longest = max(high for *_, high in in_ms)
    scale, unit = (1e3, "s") if longest >= 1e3 else (1.0, "ms")
    ours = in_ms[0][1]
    return Chart(
        case,
        [
            Bar(peer, ms / scale, low / scale, high / scale, ms / ours, longest / scale, unit)
            for peer, ms, low, high in in_ms
        ],
    )

"""A cell of the registry: a published figure, and the commands that measure it here.

This module needs no torch. The files lie in configs/published; their names are the cells' names.
"""

import hashlib
import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, field, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, TypeVar

import yaml

from errors import RequestError, choose_from

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "configs" / "published"
T = TypeVar("T")
Better = Literal["higher", "lower", "neither"]


@dataclass(frozen=True)
class Claim:
    """What is published.

    `se` is the standard error that is published with the value, or 0 where none is. `read` says
    whether the figure was seen in its own source, or is quoted by another.
    """

    value: float
    what: str
    by: str
    where: str
    read: Literal["first-hand", "quoted"]
    source: str
    se: float = 0.0
    unit: str = "nats"


@dataclass(frozen=True)
class Measure:
    """What is measured: a quantity of a run, perhaps minus that of another, or what a probe finds.

    A quantity is the name of an array in evaluation.npz, or a dotted place in evaluation.json.
    """

    quantity: str = ""
    of: str = ""
    minus: str = ""
    probe: str = ""


@dataclass(frozen=True)
class Cell:
    """A published figure, its protocol, ours, and when we call them the same.

    `runs` are words of train.py by the name of the run, `evaluate` options of evaluate.py, and
    `quick` the words that a shortened run needs; they take about `minutes` on `hardware`. The
    margin and the direction in which a figure is better were fixed before anything was measured.
    `images` says whether the published figure is of the very images that ours is of: then their
    spread is on both sides, and no part of the error.
    """

    name: str
    title: str
    claim: Claim
    protocol: Mapping[str, str]
    differs: str
    margin: float
    why_margin: str
    minutes: float
    measure: Measure
    better: Better = "higher"
    images: Literal["shared", "sampled"] = "shared"
    runs: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    seeds: tuple[int, ...] = (0,)
    evaluate: str = ""
    quick: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    shortened: bool = False
    not_comparable: str = ""
    found: str = ""
    hardware: Literal["2 cores", "a GPU"] = "2 cores"

    def run_name(self, run: str, seed: int) -> str:
        """Returns the name of the folder of a run."""
        return run if seed == 0 else f"{run}-seed{seed}"

    def train_words(self, run: str, seed: int) -> list[str]:
        """Returns what train.py is told, but for the places."""
        return [*shlex.split(self.runs[run]), *([] if seed == 0 else [f"seed={seed}"])]

    @property
    def fingerprint(self) -> str:
        """A hash of what is measured and how it is judged; words about it may change."""
        claim = self.claim.value, self.claim.se, self.margin, self.better, self.images
        runs = dict(self.runs), self.seeds, self.evaluate, astuple(self.measure)
        known = json.dumps([claim, runs, dict(self.protocol), self.not_comparable], sort_keys=True)
        return hashlib.sha256(known.encode()).hexdigest()[:16]

    def commands(self) -> list[str]:
        """Returns the command lines that measure this cell, as a person would type them."""
        lines = []
        for run in self.runs:
            for seed in self.seeds:
                folder = f"run_dir=runs/published/{self.run_name(run, seed)}"
                lines.append(
                    shlex.join(["python", "train.py", *self.train_words(run, seed), folder])
                )
                to = f"runs/published/{self.run_name(run, seed)}"
                lines.append(" ".join(["python evaluate.py", to, self.evaluate]).rstrip())
        return lines if not self.measure.probe else [*lines, f"python reproduce.py {self.name}"]


def registry(folder: Path = FOLDER) -> dict[str, Cell]:
    """Returns all cells by name, in alphabetical order.

    Raises:
        RequestError: a file says something that a cell does not have, or lacks something.
    """
    cells = {file.stem: read_cell(file) for file in sorted(folder.glob("*.yaml"))}
    words: dict[str, str] = {}
    for cell in cells.values():
        for run, said in cell.runs.items():
            if words.setdefault(run, said) != said:
                raise RequestError(f"{cell.name}: its run {run} is another one elsewhere")
    return cells


def chosen(names: Sequence[str], cells: Mapping[str, Cell]) -> list[Cell]:
    """Returns the cells of these names; if there are none, all, those that take a GPU at the end.

    Raises:
        RequestError: there is no such cell.
    """
    for name in names:
        if name not in cells:
            raise RequestError(f"{name}: no such cell; {choose_from(name, list(cells))}")
    return [cells[name] for name in names] or sorted(cells.values(), key=takes_a_gpu)


def takes_a_gpu(cell: Cell) -> bool:
    """Whether the expected time of a cell is that of a GPU."""
    return cell.hardware == "a GPU"


def read_cell(file: Path) -> Cell:
    """Returns the cell that `file` describes.

    Raises:
        RequestError: it describes none.
    """
    try:
        values = yaml.safe_load(file.read_text(encoding="utf-8"))
        nested = {
            "claim": _made(Claim, values.pop("claim")),
            "measure": _made(Measure, values.pop("measure")),
            "seeds": tuple(values.pop("seeds", (0,))),
        }
        cell = _made(Cell, {"name": file.stem, **values, **nested})
    except (KeyError, TypeError, AttributeError, yaml.YAMLError) as error:
        raise RequestError(f"{file.name}: not a cell ({' '.join(str(error).split())})") from error
    measure = cell.measure
    if bool(measure.probe) == bool(measure.quantity and measure.of in cell.runs):
        raise RequestError(f"{file.name}: measures a probe, or a quantity of one of its runs")
    if measure.minus and measure.minus not in cell.runs:
        raise RequestError(f"{file.name}: {measure.minus} is none of its runs")
    if not cell.margin > 0:
        raise RequestError(f"{file.name}: margin={cell.margin}: must be positive")
    return cell


def _made(kind: type[T], values: Mapping[str, Any]) -> T:
    """Returns a `kind` of these values, and refuses names that it does not have."""
    known = {f.name for f in fields(kind)}  # type: ignore[arg-type]
    if unknown := sorted(set(values) - known):
        raise TypeError(f"{', '.join(unknown)}: no such field of a {kind.__name__}")
    return kind(**values)

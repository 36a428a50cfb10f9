"""One evaluated run as typed numbers.

The files may be anybody's: sizes, shapes and kinds are checked before anything is believed. What
else an evaluation holds is left aside.
"""

import hashlib
import json
import shlex
from collections.abc import Container, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, get_type_hints

import numpy as np

from errors import RequestError
from experiment.choices import Option
from experiment.directory import RunDirectory, identity, of_split
from experiment.files import read_plain_file
from report.comparison.arrays import DAMAGED, LARGEST_ARRAYS, Values, read_arrays

# In bytes and in examples.
LARGEST_FILE = 10_000_000
LARGEST_SPLIT = 10_000_000
# In nats; the square of this number is a float, too.
LARGEST_VALUE = 1e30

# What a file says, before anything about it is checked.
Json = Mapping[str, Any]
Settings = Mapping[str, Option]


@dataclass(frozen=True)
class MeasuredData:
    """What was measured: the entry `data` of evaluation.json."""

    name: str
    split: str
    space: str
    observation: str | None
    num_examples: int
    dimensions: int | None
    fingerprint: str | None


DATA_KINDS = get_type_hints(MeasuredData)


@dataclass(frozen=True)
class Measurement:
    """An entry of `nats` in evaluation.json.

    `num_examples`, where it is known, counts the data of the mean, which may be the first ones
    only. `particles`, `temperatures` and `start` say what was spent; `above_iwae` is the mean
    paired difference to IWAE on the same data.
    """

    mean: float
    se: float | None = None
    num_examples: int | None = None
    particles: int | None = None
    temperatures: int | None = None
    start: str | None = None
    above_iwae: float | None = None


@dataclass(frozen=True)
class Bits:
    """The mean bits per dimension, which were computed from the bound called `origin`."""

    mean: float
    origin: str


@dataclass(frozen=True)
class Epoch:
    """A line of metrics.jsonl: the finite numbers of an epoch, and the seconds until its end."""

    number: int
    split: str
    seconds: float | None
    values: Mapping[str, float]


@dataclass(frozen=True)
class EvaluatedRun:
    """A run that evaluate.py has measured on `split`.

    `nats[name]` is a mean with what is known about it; `per_datum[name]` (N,) are the values in
    nats that it is the mean of, where all data were measured. `identity` are the options that make
    the run what it is; `seed` is None in a configuration without one. `is_edited` if the
    configuration is no longer that of the checkpoint which was measured.
    """

    path: Path
    split: str
    identity: Settings
    seed: int | None
    data: MeasuredData
    nats: Mapping[str, Measurement]
    bits: Bits | None
    per_datum: Mapping[str, Values]
    missing: tuple[str, ...] = ()
    is_edited: bool = False

    @cached_property
    def settings(self) -> Settings:
        """All options that make the run what it is, except for the seed."""
        named = {name: value for name, value in self.identity.items() if name != "seed"}
        # In the configuration, null stands for the space that the likelihood chose.
        return named | {"data.space": self.data.space}

    @cached_property
    def setting(self) -> str:
        """The settings as a key, which is the same for all seeds of one setting."""
        return repr(sorted(self.settings.items()))

    @property
    def command(self) -> str:
        """The command that measures it, or goes on with that."""
        return _Files(self.path, self.split).command

    @cached_property
    def epochs(self) -> list[Epoch]:
        """The lines of metrics.jsonl, in their order."""
        return [_epoch(record) for record in RunDirectory(self.path).read_metrics()]

    def figure(self, name: str) -> bytes | None:
        """Returns the PNG called `name`, or None; no link out of the run directory is followed."""
        path = self.path / of_split("figures", self.split) / f"{name}.png"
        try:
            if not path.resolve().is_relative_to(self.path.resolve()):
                return None
            content = read_plain_file(path, LARGEST_FILE)
        except (OSError, RuntimeError):  # it is not there, or is a link to itself
            return None
        return content if content.startswith(b"\x89PNG\r\n\x1a\n") else None


def read_run(path: str | Path, split: str = "test") -> EvaluatedRun:
    """Reads what evaluate.py measured on `split`.

    Raises:
        RequestError: in one line, for a directory that is no run, not evaluated, or damaged.
    """
    files = _Files(Path(path), split)
    config = RunDirectory(path).read_config()
    for group in ("choices", "data"):
        if not isinstance(config.get(group, {}), dict):
            raise files.damaged(f"config.yaml: {group} is not a group of options")
    seed = config.get("seed")
    if not isinstance(seed, int | None):
        raise files.damaged("config.yaml: seed is not a whole number")
    told = files.read_json()
    by = told.get("trained_by")  # earlier revisions have not named it
    is_edited = by is not None and by != RunDirectory(path).read_request().digest
    data, nats = files.data(told), files.nats(told)
    per_datum = files.read_arrays(data.num_examples, nats, told.get("npz_sha256"))
    options, bits, missing = identity(config), _bits(told), _missing(told)
    return EvaluatedRun(
        Path(path), split, options, seed, data, nats, bits, per_datum, missing, is_edited
    )


@dataclass(frozen=True)
class _Files:
    """The files of one evaluation, and the words with which they are refused."""

    path: Path
    split: str

    @property
    def command(self) -> str:
        option = "" if self.split == "test" else f" --split {self.split}"
        return f"python evaluate.py {shlex.quote(str(self.path))}{option}"

    def damaged(self, what: str) -> RequestError:
        return RequestError(f"{self.path}: {' '.join(what.split())}; measure again: {self.command}")

    def file(self, name: str) -> Path:
        file = self.path / of_split(name, self.split)
        if not file.is_file():
            missing = f"not evaluated (no {file.name}); first: {self.command}"
            raise RequestError(f"{self.path}: {missing}")
        return file

    def read_json(self) -> Json:
        file = self.file("evaluation.json")
        try:
            content = json.loads(read_plain_file(file, LARGEST_FILE))
            if not isinstance(content, dict):
                raise ValueError("not an object")
        except (ValueError, OSError, RecursionError) as error:
            raise self.damaged(f"{file.name} cannot be read: {_why(error)}") from error
        return content

    def data(self, told: Json) -> MeasuredData:
        entry = _mapping(told.get("data"))
        values: dict[str, Any] = {key: entry.get(key) for key in DATA_KINDS}
        for key, kind in DATA_KINDS.items():
            if not isinstance(values[key], kind):
                raise self.damaged(f"data.{key} of the evaluation is {str(values[key])[:60]}")
        data = MeasuredData(**values)
        if not 0 < data.num_examples <= LARGEST_SPLIT:
            raise self.damaged(f"data.num_examples of the evaluation is {data.num_examples}")
        return data

    def nats(self, told: Json) -> dict[str, Measurement]:
        found = {}
        for name, entry in _mapping(told.get("nats")).items():
            if name != "elbo" and _mapping(entry).get("mean", 0) is None:
                continue  # an upper bound of chains that have not met
            measurement = _measurement(_mapping(entry))
            if measurement is None:
                raise self.damaged(f"nats.{name} of the evaluation has no mean")
            found[name] = measurement
        if "elbo" not in found:
            raise self.damaged("the evaluation has no ELBO")
        return found

    def read_arrays(
        self, num_examples: int, names: Container[str], digest: object
    ) -> dict[str, Values]:
        """Reads the arrays (N,) of float64 that are called by one of `names`.

        `digest` is the SHA-256 that evaluation.json names; earlier revisions have named none.
        """
        file = self.file("evaluation.npz")
        try:
            content = read_plain_file(file, LARGEST_ARRAYS)
            if digest is not None and digest != hashlib.sha256(content).hexdigest():
                raise ValueError("it is of another evaluation than evaluation.json")
            arrays = dict(read_arrays(content, num_examples, names))
        except DAMAGED as error:
            raise self.damaged(f"{file.name} cannot be read: {_why(error)}") from error
        for name, values in arrays.items():
            if not bool((np.abs(values) < LARGEST_VALUE).all()):
                raise self.damaged(f"{file.name}: {name} has values that are not finite")
        if "elbo" not in arrays:
            raise self.damaged(f"{file.name} has no ELBO of each of {num_examples} examples")
        return arrays


def _why(error: Exception) -> str:
    """Returns what a file was refused for, without its name."""
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)


def _mapping(value: object) -> Json:
    return value if isinstance(value, dict) else {}


def _number(value: object) -> float | None:
    """Returns a finite number, None for anything else."""
    if not isinstance(value, int | float) or not abs(value) < LARGEST_VALUE:
        return None
    return float(value)


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) else None


def _measurement(entry: Json) -> Measurement | None:
    mean, start = _number(entry.get("mean")), entry.get("start")
    if mean is None:
        return None
    return Measurement(
        mean,
        _number(entry.get("se")),
        _whole(entry.get("num_examples")),
        _whole(entry.get("particles")),
        _whole(entry.get("temperatures")),
        start if isinstance(start, str) else None,
        _number(_mapping(entry.get("above_iwae")).get("mean")),
    )


def _bits(told: Json) -> Bits | None:
    entry = _mapping(told.get("bits_per_dim"))
    mean, origin = _number(entry.get("mean")), entry.get("from")
    return Bits(mean, origin) if mean is not None and isinstance(origin, str) else None


def _missing(told: Json) -> tuple[str, ...]:
    stages = told.get("partial")
    return tuple(str(stage)[:60] for stage in stages[:20]) if isinstance(stages, list) else ()


def _epoch(record: Json) -> Epoch:
    numbers = {
        name: float(value)
        for name, value in record.items()
        if name != "epoch" and isinstance(value, int | float) and abs(value) < LARGEST_VALUE
    }
    return Epoch(record["epoch"], record["split"], numbers.get("seconds"), numbers)

"""One evaluated run as plain numbers. Its files may be anybody's: sizes and shapes are checked before they are read."""

import json
import zipfile
import zlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64
from numpy.lib import format as npy

from errors import RequestError
from experiment.directory import RunDirectory, identity, of_split

LARGEST_FILE = 10_000_000
LARGEST_SPLIT = 10_000_000
LARGEST_VALUE = 1e30
"""Nats; its square is a number, too."""
DATA_KEYS = {"name": str, "split": str, "space": str, "num_examples": int}


@dataclass(frozen=True)
class EvaluatedRun:
    """A run directory that evaluate.py has measured: `nats[name]` are means with errors, `per_datum[name]` (N,) nats.

    `split` is the one whose files were read.
    """

    path: Path
    config: dict[str, Any]
    data: dict[str, Any]
    nats: dict[str, dict[str, Any]]
    bits: dict[str, Any]
    diagnostics: dict[str, Any]
    per_datum: dict[str, Float64[np.ndarray, " data"]]
    split: str = "test"

    @property
    def seed(self) -> int | None:
        """Of weights, batches and noise; None in a configuration without."""
        return self.config.get("seed")

    @cached_property
    def settings(self) -> dict[str, Any]:
        """What makes the run what it is, but for the seed: the same for all seeds of one setting."""
        named = {name: value for name, value in identity(self.config).items() if name != "seed"}
        return named | {
            "data.space": self.data["space"]
        }  # null stands for the space that the likelihood chose

    @cached_property
    def metrics(self) -> list[dict[str, Any]]:
        """The lines of metrics.jsonl."""
        return RunDirectory(self.path).read_metrics()

    def figure(self, name: str) -> bytes | None:
        """The PNG of that name, or None. Links that lead out of the directory are not followed."""
        path = self.path / of_split("figures", self.split) / f"{name}.png"
        if not path.is_file() or not path.resolve().is_relative_to(self.path.resolve()):
            return None
        content = path.read_bytes() if path.stat().st_size <= LARGEST_FILE else b""
        return content if content.startswith(b"\x89PNG\r\n\x1a\n") else None


def read_run(path: str | Path, split: str = "test") -> EvaluatedRun:
    """What evaluate.py measured on `split`.

    Raises RequestError, in one line, for a directory that is no run, not evaluated, or damaged.
    """
    directory = RunDirectory(path)
    config = directory.read_config()
    for part in ("choices", "data"):
        if not isinstance(config.get(part, {}), dict):
            raise _damaged(
                path,
                split,
                f"config.yaml: {part} is {type(config[part]).__name__}, not a group of options",
            )
    told, arrays = (of_split(name, split) for name in ("evaluation.json", "evaluation.npz"))
    measured = _read_json(directory.path / told, path, split)
    data, nats = measured.get("data"), measured.get("nats")
    if not isinstance(data, dict) or not isinstance(nats, dict):
        raise _damaged(path, split, f"{told} has no data or no nats")
    for key, kind in DATA_KEYS.items():
        if not isinstance(data.get(key), kind):
            raise _damaged(path, split, f"{told}: data.{key} is missing or not {kind.__name__}")
    if not 0 < data["num_examples"] <= LARGEST_SPLIT:
        raise _damaged(path, split, f"{told}: data.num_examples is {data['num_examples']}")
    for name, entry in nats.items():
        if not isinstance(entry, dict) or not isinstance(entry.get("mean"), int | float):
            raise _damaged(path, split, f"{told}: nats.{name} has no mean")
    if "elbo" not in nats:
        raise _damaged(path, split, f"{told} has no ELBO")
    per_datum = _read_arrays(directory.path / arrays, path, split, data["num_examples"])
    bits, diagnostics = (
        value if isinstance(value := measured.get(key), dict) else {}
        for key in ("bits_per_dim", "diagnostics")
    )
    return EvaluatedRun(
        Path(path),
        config,
        data,
        nats,
        bits if _are_bits(bits) else {},
        diagnostics,
        per_datum,
        split,
    )


def _are_bits(bits: dict[str, Any]) -> bool:
    """A number, and the name of the bound that it comes from."""
    mean = bits.get("mean")
    return (
        isinstance(mean, int | float)
        and abs(mean) < LARGEST_VALUE
        and isinstance(bits.get("from"), str)
    )


def _read_json(file: Path, run: str | Path, split: str) -> dict[str, Any]:
    if not file.is_file():
        raise RequestError(f"{run}: not evaluated (no {file.name}); first: {_command(run, split)}")
    try:
        if file.stat().st_size > LARGEST_FILE:
            raise ValueError(f"larger than {LARGEST_FILE:,} bytes")
        content = json.loads(file.read_text())
        if not isinstance(content, dict):
            raise ValueError("not an object")
    except (ValueError, OSError, RecursionError) as error:
        raise _damaged(run, split, f"{file.name} cannot be read: {error}") from error
    return content


def _read_arrays(
    file: Path, run: str | Path, split: str, num_examples: int
) -> dict[str, Float64[np.ndarray, " data"]]:
    """Arrays (N,) of float64; a header that says anything else is refused before memory is taken for it."""
    if not file.is_file():
        raise RequestError(f"{run}: not evaluated (no {file.name}); first: {_command(run, split)}")
    try:
        with zipfile.ZipFile(file) as archive:
            arrays = {}
            for member in archive.infolist():
                with archive.open(member) as stream:
                    if npy.read_magic(stream) != (1, 0):
                        raise ValueError(f"{member.filename} is in another format")
                    shape, _, kind = npy.read_array_header_1_0(stream)
                    name = member.filename.removesuffix(".npy")
                    if kind != np.float64 or shape != (num_examples,) or not name.isidentifier():
                        continue  # what else an evaluation may hold is not compared
                    content = stream.read(8 * num_examples)
                arrays[name] = np.frombuffer(content, np.float64, num_examples)
    except (
        ValueError,
        OSError,
        EOFError,
        KeyError,
        NotImplementedError,
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        raise _damaged(run, split, f"{file.name} cannot be read: {error}") from error
    for name, values in arrays.items():
        if not bool((np.abs(values) < LARGEST_VALUE).all()):
            raise _damaged(
                run,
                split,
                f"{file.name}: {name} has values that are not finite, which have no mean to compare",
            )
    if "elbo" not in arrays:
        raise _damaged(run, split, f"{file.name} has no per-datum ELBO of {num_examples} examples")
    return arrays


def _damaged(run: str | Path, split: str, what: str) -> RequestError:
    return RequestError(f"{run}: {' '.join(what.split())}; measure again: {_command(run, split)}")


def _command(run: str | Path, split: str) -> str:
    return f"python evaluate.py {run}" + ("" if split == "test" else f" --split {split}")

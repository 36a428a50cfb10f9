"""Figures of a benchmark, printed as Markdown and written down with what they depend on."""

import platform
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

from experiment.files import write_json

PACKAGES = ("torch", "pyro-ppl", "numpyro", "jax", "jaxlib", "numpy")
# One line of a table: its figures and what they are of, by name.
Record = Mapping[str, object]
# The columns of a table: headings, and format strings over a record.
Columns = Mapping[str, str]


def report(
    tables: Iterable[tuple[Columns, Sequence[Record]]], device: str, file: Path | None
) -> None:
    """Prints the environment, and every table as soon as it is there; writes all records so far.

    Arguments:
        tables: columns and records; measuring takes place while this is iterated over.
        device: where is measured, `cpu` or `cuda`.
        file: where records and environment go as JSON; None for nowhere.
    """
    print_environment(device)
    records: list[Record] = []
    for columns, found in tables:
        print("\n" + table(found, columns), flush=True)
        records += found
        write(file, device, records)


def print_environment(device: str) -> None:
    """Prints what the figures depend on, in a line."""
    print(", ".join(f"{key} {value}" for key, value in environment(device).items()), flush=True)


def write(file: Path | None, device: str, records: Sequence[Record]) -> None:
    """Writes records and what they depend on as JSON; None is nowhere."""
    if file is not None:
        write_json(file, {"environment": environment(device), "records": list(records)})


def table(records: Sequence[Record], columns: Columns) -> str:
    """Writes records as a table in Markdown, one row each."""
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    for record in records:
        lines.append("| " + " | ".join(form.format(**record) for form in columns.values()) + " |")
    return "\n".join(lines)


def environment(device: str) -> dict[str, str | int | None]:
    """Returns what figures depend on: versions, the device and the number of threads."""
    versions: dict[str, str | None] = {}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = None
    processor = platform.processor() or platform.machine()
    return {
        "python": platform.python_version(),
        "device": device,
        "name": torch.cuda.get_device_name() if device == "cuda" else processor,
        "threads": torch.get_num_threads(),
        **versions,
    }

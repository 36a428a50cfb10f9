"""Interleaved timing: every contender runs a little in every round, so that a slow minute of the machine slows them all."""

import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from experiment.files import write_json

Clock = Callable[[], float]
"""`time.perf_counter`; or, on a machine that others use too, `time.process_time` with one thread: processor time."""

PACKAGES = ("torch", "pyro-ppl", "numpyro", "jax", "jaxlib", "numpy")
Run = Callable[[int], None]


def interleaved(
    runs: Mapping[str, Run], rounds: int, clock: Clock, seconds: float = 0.15
) -> dict[str, list[float]]:
    """Milliseconds a step of each contender in each of `rounds` rounds; `run(steps)` does that many steps.

    A turn takes about `seconds`. A first round is thrown away: compilation, caches, memory.
    """
    steps = {name: _steps_in(run, seconds, clock) for name, run in runs.items()}
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds + 1):
        for name, run in runs.items():
            run(3)  # what the contender before has left in the caches
            times[name].append(_milliseconds(run, steps[name], clock))
    return {name: values[1:] for name, values in times.items()}


def rows(times: Mapping[str, list[float]], reference: str, **labels: Any) -> list[dict[str, Any]]:
    """One record a contender: median and quartiles in milliseconds, and the ratio of its median to the reference's."""
    base = statistics.median(times[reference])
    found = []
    for name, values in times.items():
        low, median, high = statistics.quantiles(values, n=4, method="inclusive")
        found.append(
            labels
            | {"peer": name, "ms": median, "quartiles_ms": [low, high], "ratio": median / base}
        )
    return found


def table(records: list[dict[str, Any]], columns: Mapping[str, str]) -> str:
    """Records as Markdown; `columns` maps headings to format strings over a record."""
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    lines += [
        "| " + " | ".join(form.format(**record) for form in columns.values()) + " |"
        for record in records
    ]
    return "\n".join(lines)


def environment(device: str) -> dict[str, Any]:
    """What the figures depend on."""
    versions: dict[str, str | None] = {}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = None
    name = (
        torch.cuda.get_device_name()
        if device == "cuda"
        else platform.processor() or platform.machine()
    )
    return {
        "python": platform.python_version(),
        "device": device,
        "name": name,
        "threads": torch.get_num_threads(),
        **versions,
    }


def write(path: Path | None, device: str, records: list[dict[str, Any]]) -> None:
    """The records and what they depend on, as JSON."""
    if path is not None:
        write_json(path, {"environment": environment(device), "records": records})


def clock(busy: bool) -> Clock:
    """The clock that `--busy` asks for. It must be asked for before JAX is imported."""
    if not busy:
        return time.perf_counter
    torch.set_num_threads(1)
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    return time.process_time


def _steps_in(run: Run, seconds: float, clock: Clock) -> int:
    run(3)  # compiles
    return max(3, round(seconds * 1e3 / _milliseconds(run, 3, clock)))


def _milliseconds(run: Run, steps: int, clock: Clock) -> float:
    _wait()
    started = clock()
    run(steps)
    _wait()
    return (clock() - started) * 1e3 / steps


def _wait() -> None:
    """For what a GPU still has to do."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()

"""Interleaved timing: every contender runs a little in every round.

A slow minute of the machine then slows them all.
"""

import os
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch

# Seconds: of the wall; or, on a machine that others use too, of the processor and of one thread.
Clock = Callable[[], float]
# A contender, as a function that does so many steps.
Run = Callable[[int], object]


@dataclass(frozen=True)
class Timing:
    """The time of a step in milliseconds, and its ratio to that of the reference.

    The time is the median of all rounds, `quartiles_ms` are the lower and the upper quartile.
    """

    peer: str
    ms: float
    quartiles_ms: tuple[float, float]
    ratio: float


def interleaved(
    runs: Mapping[str, Run], rounds: int, clock: Clock, seconds: float = 0.15
) -> dict[str, list[float]]:
    """Returns the milliseconds a step of each contender in each of `rounds` rounds.

    A turn takes about `seconds`. A first round, with compilation and cold caches, is thrown away.
    """
    steps = {name: _steps_in(run, seconds, clock) for name, run in runs.items()}
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds + 1):
        for name, run in runs.items():
            run(3)  # clears the caches of what the contender before has left there
            times[name].append(_milliseconds(run, steps[name], clock))
    return {name: values[1:] for name, values in times.items()}


def once_a_round(
    runs: Mapping[str, Callable[[], object]], rounds: int, clock: Clock = time.perf_counter
) -> dict[str, list[float]]:
    """Returns the milliseconds of each contender in each round, one call each.

    A first round, with cold caches, is thrown away.
    """
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds + 1):
        for name, run in runs.items():
            started = clock()
            run()
            times[name].append((clock() - started) * 1e3)
    return {name: values[1:] for name, values in times.items()}


def timings(times: Mapping[str, list[float]], reference: str) -> list[Timing]:
    """Summarizes the rounds of every contender."""
    base = statistics.median(times[reference])
    found = []
    for name, values in times.items():
        low, median, high = statistics.quantiles(values, n=4, method="inclusive")
        found.append(Timing(name, median, (low, high), median / base))
    return found


def clock(busy: bool) -> Clock:
    """Returns the clock that `--busy` asks for; it must be called before JAX is imported."""
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
    """Waits for what a GPU still has to do."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()

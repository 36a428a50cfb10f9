"""Throughput of two processes with one thread each beside one process with two: python -m benchmarks.processes [--json FILE].

Both train the same network on the same global batches, compiled, as train.py does. Rounds alternate: while one contender
takes its turn, the other's processes sleep, so a slow minute of the machine slows both. (`--processes N` compares N with one
of N threads.)
"""

import argparse
import os
import socket
import statistics
import subprocess
import sys
import time
from typing import IO, Any

from benchmarks.command import add_device, at_least, parser

PAIRS = ("one process", "several processes")
SECONDS = 1.0


class Contender:
    """Processes that wait for a number of steps on stdin and answer with the seconds that these took."""

    def __init__(self, count: int, threads: int, batch: int, device: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.processes = [
            _start(rank, count, port, threads, batch, device) for rank in range(count)
        ]
        for process in self.processes:  # has compiled
            self._answer(process)

    def seconds(self, steps: int) -> float:
        """Of the slowest process, for so many steps."""
        for process in self.processes:
            print(steps, file=_pipe(process.stdin), flush=True)
        return max(self._answer(process) for process in self.processes)

    def end(self) -> None:
        """Close their stdin, and wait for them."""
        for process in self.processes:  # each ends when all do
            _pipe(process.stdin).close()
        for process in self.processes:
            process.wait()

    @staticmethod
    def _answer(process: "subprocess.Popen[str]") -> float:
        line = _pipe(process.stdout).readline()
        if not line:
            raise RuntimeError("a process ended; its words are above")
        return float(line)


def _pipe(pipe: IO[str] | None) -> IO[str]:
    assert pipe is not None
    return pipe


def _start(
    rank: int, count: int, port: int, threads: int, batch: int, device: str
) -> "subprocess.Popen[str]":
    names: dict[str, int | str] = {
        "RANK": rank,
        "LOCAL_RANK": rank,
        "WORLD_SIZE": count,
        "LOCAL_WORLD_SIZE": count,
        "MASTER_PORT": port,
    }
    names |= {
        "TORCHELASTIC_RUN_ID": "benchmark",
        "MASTER_ADDR": "127.0.0.1",
        "OMP_NUM_THREADS": threads,
    }
    return subprocess.Popen(
        [
            sys.executable,
            "-m",
            "benchmarks.processes",
            "--worker",
            "--batch",
            str(batch),
            "--device",
            device,
        ],
        env=os.environ | {name: str(value) for name, value in names.items()},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def work(batch: int, device: str) -> None:
    """What each process does: its part of `batch` data, step after step."""
    answers = os.fdopen(os.dup(1), "w")  # what joined() silences is another stdout
    from configs.cli import spin_briefly

    spin_briefly()
    from parallel import group

    with group.joined(device):
        import pyro
        import torch

        from benchmarks.networks import TUTORIAL
        from benchmarks.peers.ours import pair
        from benchmarks.workload import LEARNING_RATE, Batches
        from inference.fast.svi import FastSVI
        from inference.objectives.elbo import ELBO
        from inference.objectives.per_datum import PerDatum
        from inference.optimizer import FusedAdam

        torch.set_flush_denormal(True)  # as train.py does
        start, stop = group.share(batch, group.rank(), group.count())
        batches = Batches(stop - start, device=device)
        model, guide = (module.to(device) for module in pair(TUTORIAL))
        group.same_start([*model.state_dict().values(), *guide.state_dict().values()])
        optimizer = FusedAdam((model, guide), LEARNING_RATE)
        svi = FastSVI(model, guide, optimizer, PerDatum(ELBO()))
        stream = iter(batches)

        def run(steps: int) -> float:
            started = time.perf_counter()
            with pyro.validation_enabled(False):
                for _ in range(steps):
                    svi.step(next(stream))
                svi.read()
            return time.perf_counter() - started

        run(20)
        if not svi.is_compiled:
            raise RuntimeError("not compiled")  # FastSVI has said why
        print(0.0, file=answers, flush=True)
        for line in sys.stdin:
            print(run(int(line)), file=answers, flush=True)


def measure(count: int, batch: int, device: str, rounds: int) -> list[dict[str, Any]]:
    """One record a contender: median examples per second, quartiles, and the ratio of its median to one process's."""
    contenders = dict(
        zip(
            PAIRS,
            (Contender(1, count, batch, device), Contender(count, 1, batch, device)),
            strict=True,
        )
    )
    steps = {
        name: max(10, round(20 * SECONDS / contender.seconds(20)))
        for name, contender in contenders.items()
    }
    rates: dict[str, list[float]] = {name: [] for name in PAIRS}
    for _ in range(rounds):
        for name, contender in contenders.items():
            contender.seconds(3)  # what the other left in the caches
            rates[name].append(batch * steps[name] / contender.seconds(steps[name]))
    for contender in contenders.values():
        contender.end()
    base = statistics.median(rates[PAIRS[0]])
    found = []
    for name, values in rates.items():
        low, median, high = statistics.quantiles(values, n=4)
        counts = (
            {"processes": 1, "threads": count}
            if name == PAIRS[0]
            else {"processes": count, "threads": 1}
        )
        found.append(
            counts
            | {
                "batch": batch,
                "examples_per_second": median,
                "quartiles": [low, high],
                "ratio": median / base,
            }
        )
    return found


def main(arguments: list[str] | None = None) -> None:
    """Print examples a second (median, quartiles) of both contenders at every batch size."""
    options = parser(__doc__, rounds=9)
    add_device(options)
    options.add_argument(
        "--processes",
        type=at_least(2),
        default=2,
        help="of one thread each, beside one of as many threads",
    )
    options.add_argument(
        "--batch",
        type=at_least(2),
        action="append",
        help="of all processes together (128 and 1024)",
    )
    options.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    given = options.parse_args(arguments)
    if given.worker:
        work(given.batch[0], given.device)
        return
    from benchmarks.timing import environment, table, write

    print(", ".join(f"{key} {value}" for key, value in environment(given.device).items()))
    records: list[dict[str, Any]] = []
    for batch in given.batch or (128, 1024):
        records += measure(given.processes, batch, given.device, given.rounds)
        write(given.json, given.device, records)
    columns = {
        "784-400-50, batch": "{batch}",
        "processes": "{processes}",
        "threads each": "{threads}",
        "examples a second": "{examples_per_second:,.0f}",
        "quartiles": "{quartiles[0]:,.0f}–{quartiles[1]:,.0f}",
        "of one process": "{ratio:.2f} ×",
    }
    print("\n" + table(records, columns))


if __name__ == "__main__":
    main()

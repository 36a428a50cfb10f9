"""Throughput of two processes with one thread each beside one process with two.

python -m benchmarks.processes [--json FILE]

Both train the same network on the same global batches, compiled, as train.py does, and are started
by torchrun, as it is. Rounds alternate: while one contender takes its turn, the other's processes
sleep, so a slow minute of the machine slows both. (`--processes N` compares N with one of N
threads.)
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator

from benchmarks.command import add_device, at_least, parser

SECONDS = 1.0
# A message to a process, the number of steps of its next turn, has so many bytes.
MESSAGE = 8
COLUMNS = {
    "784-400-50, batch": "{batch}",
    "processes": "{processes}",
    "threads each": "{threads}",
    "examples a second": "{examples_per_second:,.0f}",
    "quartiles": "{quartiles[0]:,.0f}–{quartiles[1]:,.0f}",
    "of one process": "{ratio:.2f} ×",
}


class Contender:
    """Processes that read a number of steps and answer with the seconds that these took.

    All read from one pipe, a message each: no process can take two of a turn, since it cannot end
    its steps before all others have begun theirs.
    """

    def __init__(self, processes: int, threads: int, batch: int, device: str) -> None:
        self.processes, self.threads, self.batch = processes, threads, batch
        torchrun = ["torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
        worker = ["benchmarks.processes", "--worker", f"--batch={batch}", f"--device={device}"]
        self.torchrun = subprocess.Popen(
            [sys.executable, "-m", *torchrun, "-m", *worker],
            env=os.environ | {"OMP_NUM_THREADS": str(threads)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self.answers()  # every process has compiled

    def seconds(self, steps: int) -> float:
        """Returns how long the slowest process takes for so many steps."""
        assert self.torchrun.stdin is not None
        self.torchrun.stdin.write(steps.to_bytes(MESSAGE, "big") * self.processes)
        self.torchrun.stdin.flush()
        return max(self.answers())

    def answers(self) -> list[float]:
        """Waits for an answer of every process."""
        assert self.torchrun.stdout is not None
        lines = [self.torchrun.stdout.readline() for _ in range(self.processes)]
        if not all(lines):
            raise RuntimeError("a process ended; its words are above")
        return [float(line) for line in lines]

    def end(self) -> None:
        """Closes the pipe, at which all processes end, and waits for them."""
        self.torchrun.communicate()


def turns() -> Iterator[int]:
    """Yields the numbers of steps that this process is asked for."""
    while message := os.read(sys.stdin.fileno(), MESSAGE):
        yield int.from_bytes(message, "big")


def work(batch: int, device: str) -> None:
    """Takes part in training, as one of the processes: its share of `batch` data at every step."""
    answers = os.fdopen(os.dup(1), "w")  # only the first process has a voice once it has joined
    from configs.process import spin_briefly

    spin_briefly()
    from parallel import group

    with group.joined(device):
        import pyro
        import torch

        from benchmarks.networks import TUTORIAL
        from benchmarks.peers.ours import pair
        from benchmarks.workload import LEARNING_RATE, Batches
        from evidence.training.optimizer import FusedAdam
        from evidence.training.per_datum import PerDatum
        from inference.fast.svi import FastSVI
        from inference.objectives.elbo import ELBO

        torch.set_flush_denormal(True)  # as train.py does
        start, stop = group.share(batch, group.rank(), group.count())
        model, guide = (module.to(device) for module in pair(TUTORIAL))
        group.same_start([*model.state_dict().values(), *guide.state_dict().values()])
        optimizer = FusedAdam((model, guide), LEARNING_RATE)
        svi = FastSVI(model, guide, optimizer, PerDatum(ELBO()))
        stream = iter(Batches(stop - start, device=device))

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
        for steps in turns():
            print(run(steps), file=answers, flush=True)


def measure(count: int, batch: int, device: str, rounds: int) -> list[dict[str, object]]:
    """Measures examples a second of `count` processes, and of one with as many threads."""
    contenders = (Contender(1, count, batch, device), Contender(count, 1, batch, device))
    steps = [max(10, round(20 * SECONDS / one.seconds(20))) for one in contenders]
    rates: tuple[list[float], ...] = ([], [])
    for _ in range(rounds):
        for one, number, found in zip(contenders, steps, rates, strict=True):
            one.seconds(3)  # clears the caches of what the other has left there
            found.append(batch * number / one.seconds(number))
    for one in contenders:
        one.end()
    base = statistics.median(rates[0])
    records: list[dict[str, object]] = []
    for one, found in zip(contenders, rates, strict=True):
        low, median, high = statistics.quantiles(found, n=4)
        records.append(
            {
                "processes": one.processes,
                "threads": one.threads,
                "batch": batch,
                "examples_per_second": median,
                "quartiles": [low, high],
                "ratio": median / base,
            }
        )
    return records


def main(arguments: list[str] | None = None) -> None:
    """Prints examples a second (median, quartiles) of both contenders at every batch size."""
    options = parser(__doc__, rounds=9)
    add_device(options)
    processes = "of one thread each, beside one of as many threads"
    options.add_argument("--processes", type=at_least(2), default=2, help=processes)
    batch = "of all processes together (128 and 1024)"
    options.add_argument("--batch", type=at_least(2), action="append", help=batch)
    options.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    given = options.parse_args(arguments)
    if given.worker:
        work(given.batch[0], given.device)
        return
    from benchmarks.figures import report

    tables = (
        (COLUMNS, measure(given.processes, batch, given.device, given.rounds))
        for batch in given.batch or (128, 1024)
    )
    report(tables, given.device, given.json)


if __name__ == "__main__":
    main()

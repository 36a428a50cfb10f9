"""Seconds until the test ELBO of MNIST passes −100 nats: train.py beside Pyro's tutorial loop, compilation included.

python -m benchmarks.time_to_elbo --root DIR [--json FILE]: all train 784-400-50 at batch 128 on the same binarised images, this
project with the tutorial's learning rate and with its own, and are measured after every epoch in the same way, which does
not count as training time.
"""

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch

from benchmarks.command import add_clock, at_least, parser
from benchmarks.networks import TUTORIAL
from benchmarks.peers import ours, pyro_tutorial
from benchmarks.timing import Clock, clock, environment, table, write
from benchmarks.workload import LEARNING_RATE, Batches
from data import Dataset, Split, open_dataset
from data.sources.vision import mnist
from errors import RequestError
from evidence import elbo
from evidence.batch import Batch
from inference.fast.compile_choice import choose
from inference.fast.svi import FastSVI
from inference.objectives.elbo import ELBO
from inference.objectives.per_datum import PerDatum
from inference.optimizer import FusedAdam
from inference.plan import Train

BATCH = 128
Epoch = Callable[[], None]
Measure = Callable[[], float]


def this_project(
    data: Dataset, epochs: int, learning_rate: float = LEARNING_RATE
) -> tuple[Epoch, Measure, float]:
    """The step of train.py with the choice that train.compile=auto makes for `epochs` epochs; seconds to compile it."""
    model, guide = ours.pair(TUTORIAL)
    choice = choose(Train().compile, epochs * len(data.train) // BATCH)
    print(choice.line)
    optimizer = FusedAdam((model, guide), learning_rate)
    svi = FastSVI(model, guide, optimizer, PerDatum(ELBO()), choice.compiled)
    started = (
        time.perf_counter()
    )  # compilers are processes of their own, whose time only a wall clock sees
    svi.gradients(Batch.of(data.train[:BATCH].flatten(1)))
    optimizer.adam.zero_grad()
    compiling = time.perf_counter() - started

    def epoch() -> None:
        torch.set_flush_denormal(True)  # as train.py does
        for x in data.train.shuffled(BATCH):
            svi.step(x.flatten(1))
        torch.set_flush_denormal(False)

    return (
        epoch,
        lambda: elbo(model, guide, data.test[:].flatten(1), num_particles=1).mean,
        compiling,
    )


def tutorial(data: Dataset, epochs: int) -> tuple[Epoch, Measure, float]:
    """Pyro's SVI as its tutorial writes it, on batches made as above."""
    vae, svi = pyro_tutorial.vae_and_svi(TUTORIAL, Batches(BATCH))

    def epoch() -> None:
        for x in data.train.shuffled(BATCH):
            svi.step(x.flatten(1))

    return (
        epoch,
        lambda: elbo(vae.model, vae.guide, data.test[:].flatten(1), num_particles=1).mean,
        0.0,
    )


def seconds_to(
    target: float, limit: int, clock: Clock, epoch: Epoch, measure: Measure, seconds: float
) -> Iterator[tuple[int, float, float]]:
    """(epoch, training seconds so far, test ELBO) after each epoch, until `target` or `limit` epochs; `seconds` were spent
    before the first."""
    for number in range(1, limit + 1):
        started = clock()
        epoch()
        seconds += clock() - started
        value = measure()
        yield number, seconds, value
        if value >= target:
            return


def main(arguments: list[str] | None = None) -> None:
    """Print seconds of training and the test ELBO in nats per datum, for every contender after every epoch."""
    options = parser(__doc__)
    options.add_argument("--root", default="data-sets", help="where MNIST is")
    options.add_argument("--target", type=float, default=-100.0, help="nats per datum (-100)")
    options.add_argument("--epochs", type=at_least(1), default=60, help="at most (60)")
    add_clock(options)
    given = options.parse_args(arguments)
    chosen = clock(given.busy)
    try:
        data = open_dataset(mnist(root=given.root), "mnist", "binary")
    except RequestError as error:
        options.error(f"--root: {error}")
    assert isinstance(data.test, Split)
    runs: dict[str, Any] = {}
    contenders: dict[str, Callable[[Dataset, int], tuple[Epoch, Measure, float]]] = {
        "this project": this_project,
        "this project, its learning rate": partial(
            this_project, learning_rate=Train().learning_rate
        ),
        "Pyro, tutorial": tutorial,
    }
    for name, make in contenders.items():
        torch.manual_seed(0)
        runs[name] = seconds_to(given.target, given.epochs, chosen, *make(data, given.epochs))
    records = []
    while runs:  # an epoch each in turn
        for name, run in list(runs.items()):
            found = next(run, None)
            if found is None:
                del runs[name]
                continue
            records.append(
                dict(zip(("peer", "epoch", "seconds", "elbo"), (name, *found), strict=True))
            )
            print(
                f"{name}: epoch {found[0]}, {found[1]:.1f} s, test ELBO {found[2]:.2f}", flush=True
            )
    print(", ".join(f"{key} {value}" for key, value in environment("cpu").items()))
    last = {record["peer"]: record for record in records}
    print(
        table(
            list(last.values()),
            {
                "": "{peer}",
                "epochs": "{epoch}",
                "seconds": "{seconds:.1f}",
                "test ELBO": "{elbo:.2f}",
            },
        )
    )
    write(given.json, "cpu", records)


if __name__ == "__main__":
    main()

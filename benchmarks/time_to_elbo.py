"""Seconds until the test ELBO of MNIST passes −100 nats: train.py beside Pyro's tutorial loop.

python -m benchmarks.time_to_elbo --root DIR [--json FILE]

All train 784-400-50 at batch 128 on the same binarised images, this project with the tutorial's
learning rate and with its own. All are measured after every epoch in the same way, which does not
count as training time; compilation does.
"""

import time
from collections.abc import Callable, Iterator
from functools import partial

import torch

from benchmarks.command import add_clock, at_least, parser
from benchmarks.figures import Record, print_environment, table, write
from benchmarks.networks import TUTORIAL
from benchmarks.peers import ours, pyro_tutorial
from benchmarks.timing import Clock, clock
from benchmarks.workload import LEARNING_RATE, Batches
from data import Dataset, Split, View, open_dataset
from data.sources.vision import mnist
from evidence import Batch, elbo
from evidence.training.optimizer import FusedAdam
from evidence.training.per_datum import PerDatum
from evidence.weights import Program
from inference.fast.compile_choice import choose
from inference.fast.svi import FastSVI
from inference.objectives.elbo import ELBO
from inference.plan import Train

BATCH = 128
COLUMNS = {
    "": "{peer}",
    "epochs": "{epoch}",
    "seconds": "{seconds:.1f}",
    "test ELBO": "{elbo:.2f}",
}
# Trains for an epoch; measures the test ELBO; the seconds spent on compilation before.
Contender = tuple[Callable[[], None], Callable[[], float], float]


def this_project(data: Dataset, epochs: int, learning_rate: float = LEARNING_RATE) -> Contender:
    """Makes the step of train.py, compiled if train.compile=auto compiles it for `epochs`."""
    model, guide = ours.pair(TUTORIAL)
    choice = choose(Train().compile, epochs * len(data.train) // BATCH)
    print(choice.line)
    optimizer = FusedAdam((model, guide), learning_rate)
    svi = FastSVI(model, guide, optimizer, PerDatum(ELBO()), choice.compiled)
    # Compilers are processes of their own, whose time only the clock on the wall sees.
    started = time.perf_counter()
    svi.gradients(Batch.of(data.train.batch(slice(BATCH)).x.flatten(1)))
    optimizer.adam.zero_grad()
    compiling = time.perf_counter() - started

    def epoch() -> None:
        torch.set_flush_denormal(True)  # as train.py does
        for (x,) in data.train.shuffled(BATCH):
            svi.step(x.flatten(1))
        torch.set_flush_denormal(False)

    return epoch, partial(_test_elbo, model, guide, data), compiling


def tutorial(data: Dataset, epochs: int) -> Contender:
    """Makes Pyro's SVI as its tutorial writes it, on batches made as above."""
    vae, svi = pyro_tutorial.vae_and_svi(TUTORIAL, Batches(BATCH))

    def epoch() -> None:
        for (x,) in data.train.shuffled(BATCH):
            svi.step(x.flatten(1))

    return epoch, partial(_test_elbo, vae.model, vae.guide, data), 0.0


def _test_elbo(model: Program, guide: Program, data: Dataset) -> float:
    return elbo(model, guide, data.test.batch(slice(None)).x.flatten(1), num_particles=1).mean


def epochs_until(
    target: float, limit: int, clock: Clock, contender: Contender
) -> Iterator[tuple[int, float, float]]:
    """Trains, and yields (epoch, training seconds so far, test ELBO) after each epoch.

    It ends with the ELBO at `target`, or after `limit` epochs.
    """
    epoch, measure, seconds = contender
    for number in range(1, limit + 1):
        started = clock()
        epoch()
        seconds += clock() - started
        value = measure()
        yield number, seconds, value
        if value >= target:
            return


def main(arguments: list[str] | None = None) -> None:
    """Prints seconds of training and the test ELBO, for every contender after every epoch."""
    options = parser(__doc__)
    options.add_argument("--root", default="data-sets", help="where MNIST is")
    options.add_argument("--target", type=float, default=-100.0, help="nats per datum (-100)")
    options.add_argument("--epochs", type=at_least(1), default=60, help="at most (60)")
    add_clock(options)
    given = options.parse_args(arguments)
    chosen = clock(given.busy)
    try:
        data = open_dataset(mnist(root=given.root), "mnist", View("binary"))
    except ValueError as error:
        options.error(f"--root: {error}")
    assert isinstance(data.test, Split)
    own_rate = partial(this_project, learning_rate=Train().learning_rate)
    contenders: dict[str, Callable[[Dataset, int], Contender]] = {
        "this project": this_project,
        "this project, its learning rate": own_rate,
        "Pyro, tutorial": tutorial,
    }
    runs = {}
    for name, make in contenders.items():
        torch.manual_seed(0)
        contender = make(data, given.epochs)
        runs[name] = epochs_until(given.target, given.epochs, chosen, contender)
    records: list[Record] = []
    last: dict[str, Record] = {}
    while runs:  # each trains for an epoch in turn
        for name, run in list(runs.items()):
            found = next(run, None)
            if found is None:
                del runs[name]
                continue
            epoch, seconds, value = found
            last[name] = {"peer": name, "epoch": epoch, "seconds": seconds, "elbo": value}
            records.append(last[name])
            print(f"{name}: epoch {epoch}, {seconds:.1f} s, test ELBO {value:.2f}", flush=True)
    print_environment("cpu")
    print(table(list(last.values()), COLUMNS))
    write(given.json, "cpu", records)


if __name__ == "__main__":
    main()

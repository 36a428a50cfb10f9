"""Training: epochs of SVI steps, resumable at every epoch, bit for bit on the CPU.

`fit` is the whole story:

    model, guide = …                                two Pyro programs of the same data
    training = fit(model, guide, ELBO(), data, Train(epochs=20))
"""

import logging
import math
import time
from collections.abc import Callable, Iterable, Iterator

import numpy as np
import pyro
import torch
from torch import nn

from data import Dataset, Split
from errors import TrainingError
from evidence.batch import Batch
from evidence.training.optimizer import FusedAdam
from evidence.training.per_datum import PerDatum
from inference.average import Average
from inference.fast.compile_choice import choose
from inference.fast.svi import FastSVI
from inference.keeper import Keeper, Nowhere
from inference.metrics import epoch_metrics
from inference.nonfinite import NonFinite
from inference.objectives.base import Objective
from inference.plan import Train
from inference.progress import Progress
from inference.refit import measuring
from inference.training import Training
from parallel import group

log = logging.getLogger(__name__)
# Looks on after every epoch. It leaves the pair and torch's generators as they are.
Observer = Callable[[Training, Dataset], None]


def ignore(training: Training, data: Dataset) -> None:
    """Looks at a training that goes on, and does nothing."""


def fit(
    model: nn.Module,
    guide: nn.Module,
    objective: Objective,
    data: Dataset,
    plan: Train,
    seed: int = 0,
    keep: Keeper = Nowhere(),  # noqa: B008 - it has no state
    watch: Observer = ignore,
    tell: Callable[[str], None] = log.info,
) -> Training:
    """Trains model and guide on `data`, continuing from what `keep` holds.

    Arguments:
        model: p_θ(x, z), a Pyro program and a module.
        guide: q_φ(z|x), likewise.
        objective: What is minimized: minus a bound on log p(x).
        data: The splits that are trained on and validated on.
        plan: How long, in batches of which size, at which learning rate, ….
        seed: Of the order of the data and of the noise; the initial weights are the caller's.
        keep: Where metrics and checkpoints go.
        watch: Is called after every epoch, in the first process, with the pair in evaluation mode.
        tell: Is told, in one line each, what a user should know.

    Returns:
        The state after the last epoch, with the best weights among it.

    Raises:
        TrainingError: A loss or an ELBO is NaN or infinite; the message names epoch, step and site.
        DoesNotFit: What `keep` holds belongs to another pair.
    """
    steps = math.ceil(len(data.train) / plan.batch_size)
    rate = plan.rate_factor(steps)
    optimizer = FusedAdam(
        (model, guide), plan.learning_rate, rate, plan.weight_decay, plan.clip_norm
    )
    average = None if plan.average is None else Average(optimizer, plan.average)
    training = continued(Training(model, guide, optimizer, average), keep, plan.epochs, tell)
    compiled = chosen(plan, steps, training, tell)
    svi = FastSVI(model, guide, optimizer, PerDatum(objective), compiled, tell)
    saved = time.monotonic()

    sizes = len(data.train), plan.batch_size
    measured = 2 * len(data.valid)  # as many of train
    compiles = svi.is_compiled
    with Progress(plan.epochs, *sizes, training.epoch, measured, compiled=compiles) as progress:
        while training.epoch < plan.epochs and not training.is_out_of_patience(plan.patience):
            objective.at_epoch(training.epoch, plan.epochs)
            batches = epoch_batches(data.train, plan.batch_size, seed, training.epoch)
            progress.epoch(training.epoch + 1)
            started = time.perf_counter()
            train_epoch(svi, batches, training.epoch + 1, progress, average)
            seconds = time.perf_counter() - started

            training.epoch += 1
            training.seconds += seconds
            training.compiled, training.processes = svi.is_compiled, group.count()
            progress.measures()
            validate(training, data, seconds, keep, watch)
            if time.monotonic() - saved > plan.checkpoint_seconds:
                keep.save(training.state(), training.best())
                saved = time.monotonic()
            progress.elbo(training.metrics[-1]["elbo"], training.best_elbo)
    keep.save(training.state(), training.best())
    return training


def train_epoch(
    svi: FastSVI,
    batches: Iterable[Batch],
    epoch: int,
    progress: Progress,
    average: Average | None = None,
) -> None:
    """Takes one step of SVI for each batch."""
    number = 0
    try:
        for number, batch in enumerate(batches, start=1):  # noqa: B007 - named where it fails
            svi.step(*batch)
            if average is not None:
                average.step()
            progress.step()
        svi.read()
    except NonFinite as error:
        raise TrainingError(
            f"training stopped at epoch {epoch}, step {number - error.steps_ago}: {error}"
        ) from error


def validate(
    training: Training, data: Dataset, seconds: float, keep: Keeper, watch: Observer
) -> None:
    """Measures the pair after an epoch that took `seconds`, and keeps the weights if it is best."""
    pair = training.model, training.guide
    # `epoch_metrics` names what is not finite, as Pyro's validation would.
    with pyro.validation_enabled(False), training.measured(), measuring(*pair, data.train):
        records = epoch_metrics(training, data, seconds)
        keep.append_metrics(records)
        training.metrics += records
        training.note_elbo(records[-1]["elbo"])
        if group.is_first():
            watch(training, data)


def epoch_batches(train: Split, size: int, seed: int, epoch: int) -> Iterator[Batch]:
    """Yields this process's share of all batches of an epoch.

    The order of the data is the same in every process, the noise its own.
    """
    seed_epoch(seed, epoch)
    batches = train.shuffled(size, group.rank(), group.count())
    if group.count() > 1:
        seed_epoch(seed, epoch, 1 + group.rank())
    return map(Batch.of, batches)


def seed_epoch(*key: int) -> None:
    """Makes all noise of an epoch a function of (seed, epoch): resumed runs draw the same."""
    torch.manual_seed(int(np.random.SeedSequence(key).generate_state(1, np.uint64)[0] >> 1))


def continued(
    training: Training, keep: Keeper, epochs: int, tell: Callable[[str], None]
) -> Training:
    """Returns `training`, restored to what `keep` holds, if anything, and tells from where."""
    if (state := keep.saved_state()) is not None:
        training.restore(state)
        tell(f"goes on from epoch {training.epoch} of {epochs}")
    keep.write_metrics(training.metrics)
    return training


def chosen(plan: Train, steps: int, training: Training, tell: Callable[[str], None]) -> bool:
    """Decides whether steps are compiled, and tells what a user should know before them."""
    choice = choose(plan.compile, steps * plan.epochs, training.compiled)
    tell(choice.line)
    if training.processes not in (None, group.count()):
        tell(
            f"{group.count()} processes, {training.processes} until the checkpoint: other noise "
            "from here on, so no longer bit for bit the uninterrupted run"
        )
    return choice.compiled

"""Training: epochs of SVI steps, metrics, checkpoints; resumable at every epoch, bit for bit on the CPU."""

import copy
import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyro
import torch
from torch import nn
from tqdm import tqdm

from data import Dataset, Split
from errors import RequestError, TrainingError
from evidence.batch import Data as Batch
from evidence.weights import as_batch
from experiment.directory import RunDirectory
from inference.calibration import measuring
from inference.fast.compile_choice import choose
from inference.fast.step import NonFinite, Step, broken_site
from inference.metrics import split_metrics
from inference.optimiser import FusedAdam
from inference.progress import Progress
from inference.schedule import factor
from parallel import group

METRICS_SEED = 0


def seed_epoch(*key: int) -> None:
    """Make all noise of an epoch a function of (seed, epoch): a resumed run cannot draw other numbers."""
    torch.manual_seed(int(np.random.SeedSequence(key).generate_state(1, np.uint64)[0] >> 1))


@dataclass
class Training:
    """Everything that changes while a run trains. The last checkpoint alone is enough to go on: it holds the best weights
    and the metrics, too."""

    model: nn.Module
    guide: nn.Module
    optimiser: FusedAdam
    epoch: int = 0
    best_elbo: float = -math.inf
    best_epoch: int = 0
    best_weights: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    compiled: bool | None = None
    processes: int | None = None
    metrics: list[dict[str, Any]] = field(default_factory=list)

    def weights(self) -> dict[str, Any]:
        """The state of model and guide: parameters and buffers, not copied."""
        return {"model": self.model.state_dict(), "guide": self.guide.state_dict()}

    def state(self) -> dict[str, Any]:
        """Tensors and plain values from which training goes on."""
        return {
            "epoch": self.epoch,
            "seconds": self.seconds,
            "compiled": self.compiled,
            "processes": self.processes,
            "metrics": self.metrics,
            "optimiser": self.optimiser.get_state(),
            "best": self.best(),
            **self.weights(),
        }

    def best(self) -> dict[str, Any]:
        """The best epoch so far, and its weights."""
        return {"epoch": self.best_epoch, "elbo": self.best_elbo, **self.best_weights}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from `state()`."""
        self.model.load_state_dict(state["model"])
        self.guide.load_state_dict(state["guide"])
        self.optimiser.set_state(state["optimiser"])
        self.epoch, self.seconds, self.metrics = state["epoch"], state["seconds"], state["metrics"]
        self.compiled, self.processes = state["compiled"], state["processes"]
        best = state["best"]
        self.best_elbo, self.best_epoch = best["elbo"], best["epoch"]
        self.best_weights = {key: best[key] for key in ("model", "guide")}

    def note_elbo(self, elbo: float) -> None:
        """Keep the weights if this epoch's validation ELBO is the best so far."""
        if elbo > self.best_elbo:
            self.best_elbo, self.best_epoch = elbo, self.epoch
            self.best_weights = copy.deepcopy(self.weights())


Observer = Callable[[Training, Dataset], None]
"""Looks on: it must leave the pair and torch's generators as they are."""


def fit(
    model: nn.Module,
    guide: nn.Module,
    objective: Any,
    data: Dataset,
    train: dict[str, Any],
    seed: int,
    run: RunDirectory,
    observe: Observer | None = None,
) -> Training:
    """Train the pair on `data` as the `train` options say, continuing what `run` holds.

    `observe` is called after every epoch, in the first process, with the pair in evaluation mode.

    Raises TrainingError at a NaN or infinite loss, naming epoch, step and site; the last checkpoint stays.
    """
    steps = math.ceil(len(data.train) / train["batch_size"])
    total, warmup = steps * train["epochs"], steps * train["warmup_epochs"]
    optimiser = FusedAdam(
        (model, guide),
        learning_rate=train["learning_rate"],
        schedule=lambda step: factor(step, total, train["schedule"], warmup),
        weight_decay=train["weight_decay"],
        clip_norm=train["clip_norm"],
    )
    training = Training(model, guide, optimiser)
    resume(training, run)
    run.write_metrics(training.metrics)
    choice = choose(train["compile"], total, training.compiled)
    print(choice.line)
    if training.processes not in (None, group.count()):
        print(
            f"{group.count()} processes, {training.processes} until the checkpoint: other noise from here on, "
            "so no longer bit for bit the uninterrupted run"
        )
    step = Step(model, guide, optimiser, objective, choice.compiled, tell=tqdm.write)
    last_saved = time.monotonic()

    with Progress(train["epochs"], len(data.train), training.epoch) as progress:
        while training.epoch < train["epochs"] and not out_of_patience(training, train["patience"]):
            batches = epoch_batches(data.train, train["batch_size"], seed, training.epoch)
            progress.epoch(training.epoch + 1)
            if hasattr(
                objective, "at_epoch"
            ):  # annealed: a function of the epoch, so that a resumed run anneals alike
                objective.at_epoch(training.epoch, train["epochs"])
            started = time.perf_counter()
            train_epoch(step, batches, training.epoch + 1, progress)
            seconds = time.perf_counter() - started
            training.compiled, training.processes = step.is_compiled, group.count()
            training.epoch += 1
            training.seconds += seconds
            with (
                pyro.validation_enabled(False),
                measuring(model, guide, data.train),
            ):  # numbers that broke are told below
                valid = record_metrics(training, data, seconds, run)
                training.note_elbo(valid["elbo"])
                if observe is not None and group.is_first():
                    observe(training, data)
            progress.elbo(valid["elbo"], training.best_elbo)
            if time.monotonic() - last_saved > train["checkpoint_seconds"]:
                run.save(training.state(), training.best())
                last_saved = time.monotonic()
    run.save(training.state(), training.best())
    return training


def epoch_batches(train: Split, size: int, seed: int, epoch: int) -> Iterator[tuple[int, Batch]]:
    """All batches of an epoch: how many data each has, and which of them belong to this process.

    The order is the same in every process, the noise its own.
    """
    seed_epoch(seed, epoch)
    batches = train.shuffled(size, group.rank(), group.count())
    if group.count() > 1:
        seed_epoch(seed, epoch, 1 + group.rank())
    return zip(
        (min(size, len(train) - start) for start in range(0, len(train), size)),
        batches,
        strict=True,
    )


def train_epoch(
    step: Step, batches: Iterable[tuple[int, Batch]], epoch: int, progress: Progress
) -> None:
    """One pass over the training split."""
    number = 0
    try:
        for number, (size, x) in enumerate(batches, start=1):  # noqa: B007 - named where it fails
            batch = as_batch(x)
            step(*batch, share=len(batch[0]) / size)
            progress.advance(size)
        step.read(*batch)
    except NonFinite as error:
        raise TrainingError(
            f"training stopped at epoch {epoch}, step {number - error.steps_ago}: {error}"
        ) from error


def record_metrics(
    training: Training, data: Dataset, seconds: float, run: RunDirectory
) -> dict[str, Any]:
    """Measure the epoch on the validation split and on as many training examples; write both; return validation's."""
    records = []
    for split in ("train", "valid"):
        measured = split_metrics(
            training.model, training.guide, data(split), len(data.valid), METRICS_SEED
        )
        if not math.isfinite(measured["elbo"]):
            site = broken_site(
                training.model, training.guide, *as_batch(data(split)[: len(data.valid)])
            )
            what = f"the {split} ELBO is {measured['elbo']} at {site}"
            raise TrainingError(
                f"training stopped after the last step of epoch {training.epoch}: {what}"
            )
        records.append(
            {"epoch": training.epoch, "split": split}
            | measured
            | {"examples_per_second": len(data.train) / seconds, "seconds": training.seconds}
        )
    run.append_metrics(records)
    training.metrics += records
    return records[1]


def out_of_patience(training: Training, patience: int | None) -> bool:
    """Whether the validation ELBO has not improved for `patience` epochs."""
    return (
        patience is not None
        and training.epoch - training.best_epoch >= patience > 0
        and training.epoch > 0
    )


def resume(training: Training, run: RunDirectory) -> None:
    """Go on from what `run` holds, if anything. A checkpoint that does not fit is refused, and left as it is."""
    state = run.saved_state()
    if state is None:
        return
    try:
        training.restore(state)
    except (KeyError, RuntimeError, ValueError, TypeError, AttributeError) as error:
        raise RequestError(
            f"{run.checkpoints.path('last')}: does not fit the configuration beside it"
        ) from error

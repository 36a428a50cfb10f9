"""What a likelihood takes from the training set instead of from gradients, before a measurement."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from pyro import poutine
from torch import Tensor, nn

from data import Split
from evidence.batch import Batch
from evidence.noise import forked
from models.likelihoods import Likelihood

BATCH = 1000
SEED = 0


@contextmanager
def measuring(model: nn.Module, guide: nn.Module, train: Split) -> Iterator[None]:
    """Inside, the pair is the frozen model that an evaluation of these weights would see."""
    model.eval()
    guide.eval()
    refit(model, guide, train)
    try:
        yield
    finally:
        model.train()
        guide.train()


@torch.no_grad()
def refit(model: nn.Module, guide: nn.Module, train: Split) -> None:
    """Lets likelihoods that ask for it set their state, from one draw of z for each training datum.

    The draws come from a forked generator with a fixed seed: measuring does not change what
    training does next.
    """
    for likelihood in model.modules():
        if isinstance(likelihood, Likelihood) and likelihood.needs_refit:
            with forked(train.device, SEED):
                likelihood.refit(decoded(model, guide, likelihood, train))


def decoded(
    model: nn.Module, guide: nn.Module, likelihood: Likelihood, split: Split
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yields (h, x) batch by batch: what the model calls `likelihood` with, z from the guide."""
    given: list[Tensor] = []
    handle = likelihood.register_forward_pre_hook(
        lambda module, arguments: given.append(arguments[0])
    )
    try:
        for columns in split.batches(BATCH):
            batch = Batch.of(columns)
            trace = poutine.trace(guide).get_trace(*batch)
            poutine.replay(model, trace=trace)(*batch)
            yield given.pop(), batch.x
    finally:
        handle.remove()

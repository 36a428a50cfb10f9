"""Before a measurement: evaluation mode, and what a likelihood takes from the training set instead of from gradients."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from pyro import poutine
from torch import Tensor, nn

from data import Split
from models.likelihoods import Likelihood

BATCH = 1000
SEED = 0


@contextmanager
def measuring(model: nn.Module, guide: nn.Module, train: Split) -> Iterator[None]:
    """Inside, the pair is the frozen model that an evaluation of these weights would see."""
    model.eval()
    guide.eval()
    calibrate(model, guide, train)
    try:
        yield
    finally:
        model.train()
        guide.train()


@torch.no_grad()
def calibrate(model: nn.Module, guide: nn.Module, train: Split) -> None:
    """Let every likelihood that asks for it set its state from the training set and one draw of z for each datum.

    The draws come from a forked generator with a fixed seed: measuring never changes what training does next.
    """
    device = train.device
    for likelihood in model.modules():
        if isinstance(likelihood, Likelihood) and likelihood.needs_refit:
            with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
                torch.manual_seed(SEED)
                likelihood.refit(decoded(model, guide, likelihood, train))


def decoded(
    model: nn.Module, guide: nn.Module, likelihood: Likelihood, split: Split
) -> Iterator[tuple[Tensor, Tensor]]:
    """(h, x) batch by batch: what `likelihood` is called with in the model, z drawn from the guide."""
    given: list[Tensor] = []
    handle = likelihood.register_forward_pre_hook(
        lambda module, arguments: given.append(arguments[0])
    )
    try:
        for batch in split.batches(BATCH):
            trace = poutine.trace(guide).get_trace(*batch)
            poutine.replay(model, trace=trace)(*batch)
            yield given.pop(), batch.x
    finally:
        handle.remove()

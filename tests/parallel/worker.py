"""One of two processes that do the same work on parts of the data, and save what they found.

Run as `worker.py FOLDER` with torchrun's environment, or without it as the only process.
"""

import sys
from pathlib import Path

import torch

from data import View, open_dataset
from data.raw import RawData, RawSplit
from errors import RequestError, TrainingError
from evaluation.blocks import blockwise
from evidence import Batch
from evidence.training.optimizer import FusedAdam
from evidence.training.per_datum import PerDatum
from guides.amortized import Amortized
from guides.families.mean_field import MeanField
from inference.fast.svi import FastSVI
from inference.loop import epoch_batches
from inference.metrics import split_metrics
from inference.nonfinite import NonFinite
from inference.objectives.elbo import ELBO
from models.generative import Generative
from models.likelihoods.bernoulli import Bernoulli
from models.priors.standard_normal import StandardNormal
from networks.mlp import MLP
from parallel import group

EPOCHS, BATCH = 3, 10
CASES = {  # examples, and whether the step is recorded
    "eager": (25, False),
    "recorded": (25, True),
    "a last batch of one datum": (21, True),
    "other noise": (25, False),
}


def pair():
    """p and q of a small VAE on 6 binary dimensions, float64."""
    torch.manual_seed(
        group.rank()
    )  # other weights in every process, until they are given the first one's
    guide = Amortized(MLP((6,), (4,), width=5), MeanField(2))
    model = Generative(StandardNormal(2), MLP((2,), (6,), width=5), Bernoulli((6,)))
    model, guide = model.double(), guide.double()
    group.same_start([*model.state_dict().values(), *guide.state_dict().values()])
    return model, guide


def data(examples):
    values = torch.randint(
        2, (examples, 6), generator=torch.Generator().manual_seed(0), dtype=torch.uint8
    )
    splits = RawSplit(values), RawSplit(values[:7]), RawSplit(values[:7])
    return open_dataset(RawData(*splits, levels=2), "bits", View("binary", "threshold"))


def batches(split, seed=0, epoch=0):
    return (batch.with_x(batch.x.double()) for batch in epoch_batches(split, BATCH, seed, epoch))


def trained(examples, recorded, seed=0):
    """Parameters after a few epochs, and losses of every step."""
    model, guide = pair()
    optimizer = FusedAdam((model, guide), 0.05, weight_decay=0.1, clip_norm=1.0)
    svi = FastSVI(model, guide, optimizer, PerDatum(ELBO()), recorded, backend=None)
    split, losses = data(examples).train, []
    for epoch in range(EPOCHS):
        losses += [svi.step(*batch).item() for batch in batches(split, seed, epoch)]
    assert svi.is_compiled == recorded
    return [p.detach() for p in optimizer.parameters], losses


class BreaksInLast(ELBO):
    """NaN at the third step of the last process only."""

    steps = 0

    def differentiable_loss(self, model, guide, *batch):
        self.steps += torch.is_grad_enabled()
        loss = super().differentiable_loss(model, guide, *batch)
        return (
            loss * float("nan") if self.steps == 3 and group.rank() == group.count() - 1 else loss
        )


def broken():
    """What is said, and the parameters before and after the broken step."""
    model, guide = pair()
    optimizer, before = FusedAdam((model, guide), 0.05), []
    svi = FastSVI(model, guide, optimizer, BreaksInLast(), compiled=False)
    for batch in batches(data(40).train):
        before = [p.detach().clone() for p in optimizer.parameters]
        try:
            svi.step(*batch)
        except NonFinite as error:
            return str(error), before, [p.detach() for p in optimizer.parameters]
    raise AssertionError("it did not break")


def refuses(action):
    try:
        return action()
    except RequestError as error:
        return str(error)


def only_in_last():
    if group.rank() == group.count() - 1:
        raise RequestError("the last one has no file")
    return "fine"


def main(folder):
    import torch.distributions.normal as normal

    drawn = normal._standard_normal
    found = {"rank": group.rank()}
    for case, (examples, recorded) in CASES.items():
        if case != "other noise":
            normal._standard_normal = lambda shape, dtype, device: torch.full(
                shape, 0.3, dtype=dtype, device=device
            )
        found[case] = trained(examples, recorded)
        normal._standard_normal = drawn
    found["broken"] = broken()
    model, guide = pair()
    split = data(4500).train
    found["metrics"] = split_metrics(model.float(), guide.float(), split, 4100, seed=0)
    torch.manual_seed(0)
    rows = (torch.arange(11.0),)
    found["blocks"] = torch.cat(
        blockwise(lambda part: part.x + torch.randn(part.size), Batch(rows), size=3)
    )
    found["between"] = torch.rand(3)
    found["each"] = group.each(lambda item: item**2, range(7))
    found["agreed"] = refuses(lambda: group.agreed(only_in_last))
    found["from the first"] = refuses(lambda: group.from_first(group.rank))
    next(iter(epoch_batches(split, BATCH, 0, 0)))
    found["noise"] = torch.rand(4)
    torch.save(found, Path(folder) / f"{group.count()}-{group.rank()}.pt")
    if group.count() > 1 and group.rank() == 1:
        sys.exit("the second one goes without a word")
    if group.count() > 1:
        try:
            group.gather(0)
        except TrainingError as error:
            print(error)


if __name__ == "__main__":
    torch.set_num_threads(1)
    with group.joined("cpu"):
        main(sys.argv[1])

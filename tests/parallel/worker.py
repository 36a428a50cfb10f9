"""One of two processes that do the same work on parts of the data; what each found is saved for the tests to compare.

Run as `worker.py FOLDER` with torchrun's environment, or without it as the only process.
"""

import sys
from pathlib import Path

import torch

from data import View, open_dataset
from data.raw import RawData, RawSplit
from errors import RequestError, TrainingError
from evaluation.blocks import blockwise
from guides.amortized import Amortized
from guides.families.mean_field import MeanField
from inference.fast.step import NonFinite, Step
from inference.loop import epoch_batches, train_epoch
from inference.metrics import split_metrics
from inference.objectives.elbo import ELBO
from inference.optimiser import FusedAdam
from models.generative import Generative
from models.likelihoods.bernoulli import Bernoulli
from models.priors.standard_normal import StandardNormal
from networks.mlp import MLP
from parallel import gradients, group

MEMORY = gradients.MEMORY / "vae-tests"
EPOCHS, BATCH = 3, 10
CASES = {  # examples, and whether the step is recorded
    "eager": (25, False),
    "recorded": (25, True),
    "a last batch of one datum": (21, True),
    "no shared memory": (25, True),
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


class NoProgress:
    def advance(self, examples):
        pass


def as_double(batches):
    return ((size, x.double()) for size, (x,) in batches)


def trained(examples, recorded, seed=0):
    """Parameters after a few epochs, and losses of every step."""
    model, guide = pair()
    optimiser = FusedAdam((model, guide), 0.05, weight_decay=0.1, clip_norm=1.0)
    step = Step(model, guide, optimiser, ELBO(), recorded)
    step.loss.backend = None
    losses = []
    read = step.read
    step.read = lambda *batch: losses.extend(found := read(*batch)) or found
    for epoch in range(EPOCHS):
        train_epoch(
            step,
            as_double(epoch_batches(data(examples).train, BATCH, seed, epoch)),
            epoch,
            NoProgress(),
        )
    assert step.is_compiled == recorded, step.loss.why_eager
    return [p.detach() for p in optimiser.parameters], losses, type(step.svi.average.sum).__name__


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
    optimiser = FusedAdam((model, guide), 0.05)
    step, before = Step(model, guide, optimiser, BreaksInLast(), False), []
    for _, x in as_double(epoch_batches(data(40).train, BATCH, 0, 0)):
        before = [p.detach().clone() for p in optimiser.parameters]
        try:
            step(x, share=0.5)
        except NonFinite as error:
            return str(error), before, [p.detach() for p in optimiser.parameters]
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

    MEMORY.mkdir(exist_ok=True)
    drawn = normal._standard_normal
    found = {"rank": group.rank()}
    for case, (examples, recorded) in CASES.items():
        if case != "other noise":
            normal._standard_normal = lambda shape, dtype, device: torch.full(
                shape, 0.3, dtype=dtype, device=device
            )
        gradients.MEMORY = Path("/nowhere") if case == "no shared memory" else MEMORY
        step = trained(examples, recorded)
        found[case], found[f"sum, {case}"] = step[:2], step[2]
        normal._standard_normal = drawn
    gradients.MEMORY = MEMORY
    found["no room"] = gradients._reserved(2**62) is None
    found["left behind"] = len(list(MEMORY.iterdir())) if MEMORY.exists() else 0
    found["broken"] = broken()
    model, guide = pair()
    split = data(4500).train
    found["metrics"] = split_metrics(model.float(), guide.float(), split, 4100, seed=0)
    torch.manual_seed(0)
    rows = (torch.arange(11.0),)
    found["blocks"] = torch.cat(
        blockwise(lambda part: part[0] + torch.randn(len(part[0])), rows, "blocks", size=3)
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

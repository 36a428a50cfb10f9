"""The true ELBO and its two terms on a split, whatever was optimized."""

import math

import torch
from torch import Tensor, nn

from data import Dataset, Split
from errors import TrainingError
from evidence.alone import looked_at
from evidence.batch import Batch
from evidence.lower import terms_of
from evidence.noise import forked
from inference.classification import classes_of, wrong
from inference.clustering import clustering_accuracy, clusters_of
from inference.keeper import Record
from inference.nonfinite import NonFinite, broken_site, refusals_named
from inference.training import Training
from parallel import group

EVALUATION_BATCH = 1000
SEED = 0


def epoch_metrics(training: Training, data: Dataset, seconds: float) -> list[Record]:
    """Measures the epoch on as many training examples as there are validation examples, and these.

    Returns the records of "train" and "valid". Raises TrainingError, naming the site, if an ELBO is
    not finite.
    """
    records = []
    for name in ("train", "valid"):
        split, count, look = data(name), len(data.valid), training.epoch == 1
        when = f"training stopped after the last step of epoch {training.epoch}"
        try:
            measured = split_metrics(training.model, training.guide, split, count, SEED, look)
        except NonFinite as error:
            raise TrainingError(f"{when}: {error}") from error
        if not math.isfinite(measured["elbo"]):
            site = broken_site(training.model, training.guide, Batch.of(split[:count]))
            raise TrainingError(f"{when}: the {name} ELBO is {measured['elbo']} at {site}")
        speed = {"examples_per_second": len(data.train) / seconds, "seconds": training.seconds}
        records.append({"epoch": training.epoch, "split": name} | measured | speed)
    return records


@torch.no_grad()
def split_metrics(
    model: nn.Module,
    guide: nn.Module,
    split: Split,
    num_examples: int,
    seed: int,
    look: bool = True,
) -> Record:
    """Returns ELBO, reconstruction and KL, nats per datum, from one draw of z for each datum.

    The first `num_examples` data are measured, after a `look` whether each has a number of its own.
    Their noise is the same at every epoch, so that curves show how the model changes. It is the
    same for any number of processes, which share the blocks of data, and comes from a forked
    generator: measuring does not change what training does.
    """
    num_examples = min(num_examples, len(split))

    def measure(start: int) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """Sums of both terms over a block, which has noise of its own, its clusters and classes."""
        torch.manual_seed(seed + start)
        batch = Batch.of(split[start : min(start + EVALUATION_BATCH, num_examples)])
        with refusals_named(model, guide, batch):
            if look:
                looked_at(model, guide, batch)
            terms = terms_of(model, guide, batch, num_particles=1)
        sums = torch.stack([terms.reconstruction.sum(), terms.kl.sum()])
        return sums.cpu(), clusters_of(model, guide, batch), classes_of(model, guide, batch)

    with forked(split.device):
        blocks = group.each(measure, range(0, num_examples, EVALUATION_BATCH))
    sums, clusters, classes = zip(*blocks, strict=True)
    total = torch.stack(sums).sum(0)
    reconstruction, kl = (total / num_examples).tolist()
    measured = {
        "elbo": reconstruction - kl,
        "reconstruction": reconstruction,
        "kl": kl,
        "num_examples": num_examples,
    }
    if split.labels is None:
        return measured
    labels = split.labels[:num_examples]
    if clusters[0] is not None:
        measured["clustering_accuracy"] = clustering_accuracy(torch.cat(clusters), labels)
    if classes[0] is not None:
        measured["classification_error"] = float(wrong(torch.cat(classes), labels).mean())
    return measured

"""The true ELBO and its two terms on a split, whatever was optimised."""

from typing import Any

import torch
from torch import Tensor, nn

from data import Split
from evidence import elbo_terms
from inference.clustering import clustering_accuracy, clusters_of
from parallel import group

EVALUATION_BATCH = 1000


@torch.no_grad()
def split_metrics(
    model: nn.Module, guide: nn.Module, split: Split, num_examples: int, seed: int
) -> dict[str, Any]:
    """ELBO, reconstruction and KL in nats per datum, over the first `num_examples`, one draw of z each.

    The noise is the same at every epoch (common random numbers: curves show the model change, not the noise) and with any
    number of processes, which share the blocks; it is
    taken from a forked generator, so measuring never changes what training does next.
    """
    num_examples = min(num_examples, len(split))
    device = split.device

    def measure(start: int) -> tuple[Tensor, Tensor | None]:
        """Sums of the two terms, and clusters where there are any: the noise belongs to the block."""
        torch.manual_seed(seed + start)
        x = split[start : min(start + EVALUATION_BATCH, num_examples)]
        terms = elbo_terms(model, guide, x, num_particles=1)
        return torch.stack([terms.reconstruction.sum(), terms.kl.sum()]).cpu(), clusters_of(
            model, guide, x
        )

    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        sums, found = zip(
            *group.each(measure, range(0, num_examples, EVALUATION_BATCH)), strict=True
        )
    reconstruction, kl = (torch.stack(sums).sum(0) / num_examples).tolist()
    measured = {
        "elbo": reconstruction - kl,
        "reconstruction": reconstruction,
        "kl": kl,
        "num_examples": num_examples,
    }
    if found[0] is not None and split.labels is not None:
        measured["clustering_accuracy"] = clustering_accuracy(
            torch.cat(found), split.labels[:num_examples]
        )
    return measured

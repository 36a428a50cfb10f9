"""The true ELBO and its two terms on a split, whatever was optimised."""

from typing import Any

import torch
from torch import nn

from data import Split
from evidence import elbo_terms
from inference.clustering import cluster_metrics

EVALUATION_BATCH = 1000


@torch.no_grad()
def split_metrics(model: nn.Module, guide: nn.Module, split: Split, num_examples: int, seed: int) -> dict[str, Any]:
    """ELBO, reconstruction and KL in nats per datum, over the first `num_examples`, one draw of z each.

    The noise is the same at every epoch (common random numbers: curves show the model change, not the noise) and is
    taken from a forked generator, so measuring never changes what training does next.
    """
    num_examples = min(num_examples, len(split))
    device = split.stored.device
    total = torch.zeros(2, dtype=torch.float64, device=device)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        for start in range(0, num_examples, EVALUATION_BATCH):
            x = split[start : min(start + EVALUATION_BATCH, num_examples)]
            terms = elbo_terms(model, guide, x, num_particles=1)
            total += torch.stack([terms.reconstruction.sum(), terms.kl.sum()])
        clusters = cluster_metrics(model, guide, split, num_examples, EVALUATION_BATCH)
    reconstruction, kl = (total / num_examples).tolist()
    measured = {"elbo": reconstruction - kl, "reconstruction": reconstruction, "kl": kl, "num_examples": num_examples}
    return measured | clusters

"""How well clusters agree with labels that the model never saw."""

from typing import Any

import torch
from jaxtyping import Int
from scipy.optimize import linear_sum_assignment
from torch import Tensor, nn


def clustering_accuracy(clusters: Int[Tensor, " N"], labels: Int[Tensor, " N"]) -> float:
    """The share of data whose cluster is their label's, under the best one-to-one matching of clusters to labels.

    With more clusters than labels, or fewer, what is left unmatched counts as wrong (Hungarian method).
    """
    counts = torch.zeros(int(clusters.max()) + 1, int(labels.max()) + 1, dtype=torch.long)
    counts.index_put_(
        (clusters.cpu(), labels.cpu()), torch.ones(len(labels), dtype=torch.long), accumulate=True
    )
    rows, columns = linear_sum_assignment(counts.numpy(), maximize=True)
    return float(counts.numpy()[rows, columns].sum()) / len(labels)


@torch.no_grad()
def clusters_of(model: Any, guide: nn.Module, x: Any) -> Int[Tensor, " batch"] | None:
    """argmax p(y|z) of each datum of a batch, z one draw from q(z|x); None for models without clusters."""
    if not hasattr(model, "cluster_probabilities"):
        return None
    return model.cluster_probabilities(guide(x)).argmax(-1).cpu()

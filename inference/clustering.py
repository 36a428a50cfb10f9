"""How well clusters agree with labels that the model never saw."""

from typing import Any

import torch
from jaxtyping import Int
from scipy.optimize import linear_sum_assignment
from torch import Tensor, nn

from data import Split


def clustering_accuracy(clusters: Int[Tensor, " N"], labels: Int[Tensor, " N"]) -> float:
    """The share of data whose cluster is their label's, under the best one-to-one matching of clusters to labels.

    With more clusters than labels, or fewer, what is left unmatched counts as wrong (Hungarian method).
    """
    counts = torch.zeros(int(clusters.max()) + 1, int(labels.max()) + 1, dtype=torch.long)
    counts.index_put_((clusters.cpu(), labels.cpu()), torch.ones(len(labels), dtype=torch.long), accumulate=True)
    rows, columns = linear_sum_assignment(counts.numpy(), maximize=True)
    return float(counts.numpy()[rows, columns].sum()) / len(labels)


@torch.no_grad()
def cluster_metrics(model: Any, guide: nn.Module, split: Split, num_examples: int, batch: int) -> dict[str, float]:
    """`clustering_accuracy` of argmax p(y|z), z one draw from q(z|x); nothing for models without clusters or labels."""
    if not hasattr(model, "cluster_probabilities") or split.labels is None:
        return {}
    clusters = [
        model.cluster_probabilities(guide(split[start : min(start + batch, num_examples)])).argmax(-1)
        for start in range(0, num_examples, batch)
    ]
    return {"clustering_accuracy": clustering_accuracy(torch.cat(clusters), split.labels[:num_examples])}

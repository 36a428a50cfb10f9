"""How well clusters agree with labels that the model never saw."""

import torch
from jaxtyping import Int
from scipy.optimize import linear_sum_assignment
from torch import Tensor, nn

from evidence.batch import Batch
from models.clustered import Clustered


def clustering_accuracy(clusters: Int[Tensor, " N"], labels: Int[Tensor, " N"]) -> float:
    """Returns the share of data whose cluster belongs to their label.

    Clusters and labels are matched one to one as well as possible (the Hungarian method). If there
    are more of the one than of the other, what stays unmatched counts as wrong.
    """
    counts = torch.zeros(int(clusters.max()) + 1, int(labels.max()) + 1, dtype=torch.long)
    counts.index_put_(
        (clusters.cpu(), labels.cpu()), torch.ones(len(labels), dtype=torch.long), accumulate=True
    )
    rows, columns = linear_sum_assignment(counts.numpy(), maximize=True)
    return float(counts.numpy()[rows, columns].sum()) / len(labels)


@torch.no_grad()
def clusters_of(model: nn.Module, guide: nn.Module, batch: Batch) -> Int[Tensor, " batch"] | None:
    """Returns argmax p(y|z) for each datum, with one draw z ~ q(z|x); None without clusters."""
    if not isinstance(model, Clustered):
        return None
    return model.cluster_probabilities(guide(*batch)).argmax(-1).cpu()

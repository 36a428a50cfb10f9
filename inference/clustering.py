"""How well clusters agree with labels that the model never saw."""

import math

import torch
from jaxtyping import Int
from scipy.optimize import linear_sum_assignment
from torch import Tensor, nn

from evidence.batch import Batch
from models.clustered import Clustered


def clustering_accuracy(clusters: Int[Tensor, " N"], labels: Int[Tensor, " N"]) -> float:
    """Returns the share of data whose cluster belongs to their label.

    Clusters and labels are matched one to one as well as possible (the Hungarian method). If there
    are more of the one than of the other, what stays unmatched counts as wrong. Labels are a set of
    values and no indices: −1 is a label like any other, even where it stands for a missing one.
    """
    rows, row = clusters.cpu().unique(return_inverse=True)
    columns, column = labels.cpu().unique(return_inverse=True)
    shape = (len(rows), len(columns))
    counts = (row * shape[1] + column).bincount(minlength=math.prod(shape)).reshape(shape).numpy()
    matched = linear_sum_assignment(counts, maximize=True)
    return float(counts[matched].sum()) / len(labels)


@torch.no_grad()
def clusters_of(model: nn.Module, guide: nn.Module, batch: Batch) -> Int[Tensor, " batch"] | None:
    """Returns argmax p(y|z) for each datum, with one draw z ~ q(z|x); None without clusters."""
    if not isinstance(model, Clustered):
        return None
    return model.cluster_probabilities(guide(*batch)).argmax(-1).cpu()

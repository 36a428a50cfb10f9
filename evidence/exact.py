"""log p(x) itself, where it can be had."""

import torch

from evidence.estimate import Estimate
from evidence.weights import Batch, Program, as_batch
from models.tractable import as_factor_analysis


@torch.no_grad()
def exact(model: Program, guide: Program, x: Batch) -> Estimate | None:
    """log p(x) per datum in closed form where the joint is tractable, else None."""
    joint = as_factor_analysis(model)
    if joint is not None:
        return Estimate(joint.log_prob(as_batch(x)[0]), "exact", details={"method": "closed form"})
    return None

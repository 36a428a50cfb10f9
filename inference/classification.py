"""How often the guide's guess of a label is wrong."""

import torch
from jaxtyping import Float64, Int
from torch import Tensor, nn

from evidence.batch import Batch
from guides.classifying import Classifying


@torch.no_grad()
def classes_of(model: nn.Module, guide: nn.Module, batch: Batch) -> Int[Tensor, " batch"] | None:
    """Returns argmax q(y|x) for each datum; None for a guide that guesses no label."""
    if not isinstance(guide, Classifying):
        return None
    return guide.label(batch.x).logits.argmax(-1).cpu()


def wrong(guesses: Int[Tensor, " N"], labels: Int[Tensor, " N"]) -> Float64[Tensor, " N"]:
    """Returns 1 for each guess that is not the label, and 0 for the others."""
    return (guesses != labels.cpu()).double()

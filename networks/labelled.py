"""What a network is given of vectors and a label."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor


def with_label(
    values: Float[Tensor, " *values"], y: Int[Tensor, " *batch"], classes: int
) -> tuple[Float[Tensor, " rows inputs"], torch.Size]:
    """Returns `values` beside the label, one-hot, one of `classes`, and the batch of the rows.

    The batch dimensions of the two are broadcast: Pyro's enumeration gives y dimensions of its own.

    >>> rows, batch = with_label(torch.zeros(7, 2), torch.arange(3).unsqueeze(1), classes=3)
    >>> rows.shape, batch
    (torch.Size([21, 5]), torch.Size([3, 7]))
    """
    batch = torch.broadcast_shapes(values.shape[:-1], y.shape)
    label = F.one_hot(y, classes).to(values)
    both = torch.cat([part.expand(*batch, part.shape[-1]) for part in (values, label)], dim=-1)
    return both.flatten(0, -2), batch

"""Products in 16 bits, however a program asks for them."""

import torch
import torch.nn.functional as F

from evidence.rough import Rough


def test_arguments_may_be_given_by_name() -> None:
    """Somebody else's model need not call as torch's own modules do."""
    x, weight = torch.randn(2, 3), torch.randn(4, 3)
    with Rough():
        named, placed = F.linear(input=x, weight=weight), F.linear(x, weight)
    assert (
        named.dtype == torch.float32
        and torch.equal(named, placed)
        and not torch.equal(named, F.linear(x, weight))
    )

"""Gradients and loss of a whole batch, from the shares of it that several processes have."""

from collections.abc import Sequence

import torch
from torch import Tensor

from parallel import group


class Average:
    """Averages gradients of `parameters`, and a loss, over the data of all processes.

    `average(loss, size)` is given the loss per datum of the `size` data that are here. It replaces
    the gradients by those of all data together, and returns the loss of all. Every process gets the
    same numbers.

    Gradients, loss and size lie in one flat buffer, so that one all-reduce sums them; the new
    gradients are views of it.
    """

    def __init__(self, parameters: Sequence[Tensor]) -> None:
        self.parameters = list(parameters)
        self.sizes = [*(p.numel() for p in self.parameters), 1]

    def __call__(self, loss: Tensor, size: int) -> Tensor:
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in self.parameters]
        like = gradients[0]
        flat = torch.cat(
            [*(g.reshape(-1) for g in gradients), loss.reshape(1).to(like.dtype), like.new_ones(1)]
        )
        flat *= size
        group.all_reduce(flat)
        *parts, total = flat[:-1].div_(flat[-1]).split(self.sizes)
        for parameter, part in zip(self.parameters, parts, strict=True):
            parameter.grad = part.view_as(parameter)
        return total.clone().reshape(())

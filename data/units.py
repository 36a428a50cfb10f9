"""The units of real columns: where they lie, and how far they spread."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

# Columns are near standard units if their means are no further from 0 than this, and their
# standard deviations no further from 1, by a factor.
FAR = 10.0


@dataclass(frozen=True)
class Units:
    """Mean and standard deviation of every dimension in the training split; 1 if it is constant."""

    mean: Float[Tensor, " *shape"]
    sd: Float[Tensor, " *shape"]

    @property
    def note(self) -> str:
        """What the networks see, in one line."""
        return (
            "networks see the data less their mean, in standard deviations, which are "
            f"{self.sd.min():.3g} to {self.sd.max():.3g}; densities keep the data's units"
        )


def units_of(blocks: Callable[[], Iterable[Tensor]]) -> Units | None:
    """Returns the units of training values, or None if all columns are near standard units.

    >>> units_of(lambda: [torch.tensor([[0.0, 300.0], [2.0, 100.0]])])
    Units(mean=tensor([  1., 200.]), sd=tensor([  1., 100.]))
    >>> units_of(lambda: [torch.tensor([[0.0], [2.0]])])
    """
    count = sum(len(block) for block in blocks())
    mean = torch.stack([block.double().sum(0) for block in blocks()]).sum(0) / count
    squares = torch.stack([(block.double() - mean).square().sum(0) for block in blocks()])
    sd = (squares.sum(0) / count).sqrt()
    sd = torch.where(sd > 0, sd, 1.0)
    if mean.abs().max() <= FAR and sd.max() <= FAR and sd.min() >= 1 / FAR:
        return None
    return Units(mean.float(), sd.float())

"""A regular grid of cells over u, whose cells can be halved."""

import itertools
from dataclasses import dataclass

import torch
from jaxtyping import Float64, Int
from torch import Tensor


@dataclass
class Lattice:
    """Cells of width `width` (dimensions,): u = origin + (index + ½)·width."""

    origin: Float64[Tensor, " dimensions"]
    width: Float64[Tensor, " dimensions"]

    def centers(
        self, index: Int[Tensor, " points dimensions"]
    ) -> Float64[Tensor, " points dimensions"]:
        """Returns u at the middle of each cell."""
        return self.origin + (index + 0.5) * self.width

    @property
    def log_volume(self) -> float:
        """The logarithm of one cell's volume."""
        return float(self.width.log().sum())

    def halved(self) -> "Lattice":
        """Returns cells of half the width from the same origin; see `children`."""
        return Lattice(self.origin, self.width / 2)


def square(cells: int, dimensions: int) -> Int[Tensor, " points {dimensions}"]:
    """Returns all indices of a grid with `cells` along each axis."""
    return torch.cartesian_prod(*[torch.arange(cells)] * dimensions).reshape(-1, dimensions)


def children(index: Int[Tensor, " points dimensions"]) -> Int[Tensor, " finer dimensions"]:
    """Returns the cells that halving along every axis makes of each, next to each other."""
    corners = torch.tensor(
        list(itertools.product((0, 1), repeat=index.shape[1])), device=index.device
    )
    return (2 * index.unsqueeze(1) + corners).flatten(0, 1)

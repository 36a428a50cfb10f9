"""Models with a discrete latent that Pyro's enumeration sums out in training."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import NamedTuple

from torch import Tensor

Program = Callable[..., object]


class Term(NamedTuple):
    """A pair of Pyro programs, the columns that both are called with, and if a latent is summed."""

    model: Program
    guide: Program
    columns: tuple[Tensor, ...]
    summed: bool = True


class Enumerated(ABC):
    """A model whose bound for training is a sum of ELBOs, some by TraceEnum_ELBO."""

    @abstractmethod
    def terms(self, guide: Program, *batch: Tensor) -> Iterator[Term]:
        """Yields the pairs whose ELBOs are summed, for the `guide` of this model and a batch."""

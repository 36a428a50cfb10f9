"""What every recipe declares: how components become a pair."""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from torch import nn

if TYPE_CHECKING:
    from experiment.build import Parts


class Pair(NamedTuple):
    """A generative model and its guide, as Pyro programs of the same data."""

    model: nn.Module
    guide: nn.Module


class Recipe(ABC):
    """Wires the components of a request into a pair; `__init__` takes the options of `model=…`."""

    given_labels: ClassVar[bool] = False  # whether the programs are called with labels beside x

    @abstractmethod
    def pair(self, parts: "Parts") -> Pair:
        """Returns model and guide, with weights drawn from torch's generator, on the CPU."""

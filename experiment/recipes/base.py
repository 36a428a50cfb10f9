"""What every recipe declares: how components become a pair."""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, NamedTuple

from torch import nn

from data import Dataset

if TYPE_CHECKING:
    from experiment.build import Parts


class Pair(NamedTuple):
    """A generative model and its guide, as Pyro programs of the same data."""

    model: nn.Module
    guide: nn.Module


class Recipe(ABC):
    """Wires the components of a request into a pair; `__init__` takes the options of `model=…`."""

    def prepared(self, data: Dataset) -> Dataset:
        """Returns the data as the programs are called with them: x alone, if nothing else is said.

        Raises ValueError if they are no data for this model, such as data without labels.
        """
        return data

    @abstractmethod
    def pair(self, parts: "Parts") -> Pair:
        """Returns model and guide, with weights drawn from torch's generator, on the CPU."""

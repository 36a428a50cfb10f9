"""A mean with its standard error, as every measured number is reported."""

from dataclasses import dataclass
from typing import Self

from jaxtyping import Float64
from torch import Tensor

from evidence.estimate import standard_error


@dataclass(frozen=True)
class Measured:
    """The mean over `num_examples` data and its standard error, in the units of the values."""

    mean: float
    standard_error: float
    num_examples: int

    @classmethod
    def of(cls, values: Float64[Tensor, " data"]) -> Self:
        """Returns the mean of one value per datum."""
        return cls(float(values.mean()), standard_error(values), len(values))

    def __str__(self) -> str:
        return f"{self.mean:.2f} ± {self.standard_error:.2f}"

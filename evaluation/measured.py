"""A mean with its standard error, as every measured number is reported. Needs no torch."""

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Measured:
    """The mean over `num_examples` data and its standard error, in the units of the values.

    The standard error of a single value is NaN.
    """

    mean: float
    standard_error: float
    num_examples: int

    @classmethod
    def of(cls, values: "Tensor") -> Self:
        """Returns the mean of one value per datum, (data,)."""
        from evidence.estimate import standard_error

        return cls(float(values.mean()), standard_error(values), len(values))

    def __str__(self) -> str:
        return f"{self.mean:.2f} ± {shown(self.standard_error, 2)}"


def shown(value: float, digits: int) -> str:
    """Returns a number with `digits` decimals, and a dash for NaN, which stands for no number.

    >>> shown(-2.345, 2), shown(float("nan"), 2)
    ('-2.35', '–')
    """
    return "–" if math.isnan(value) else f"{value:.{digits}f}"


def typeset(text: str) -> str:
    """Returns `text` with the minus sign of print before negative numbers.

    >>> typeset("-2.35 ± 0.10 above IWAE-200, within 1e-07")
    '−2.35 ± 0.10 above IWAE-200, within 1e-07'
    """
    return re.sub(r"(?<![\w.-])-(?=\.?\d)", "−", text)

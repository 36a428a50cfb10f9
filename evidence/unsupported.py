"""What the library refuses: a pair whose evidence it cannot measure, and numbers that are none."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor


class UnsupportedPair(ValueError):
    """The pair has a structure for which the estimator is not right.

    The message names the site, and says what to do.
    """


class RefusedNumber(ValueError):
    """A distribution of a program refuses a number: `what` says which one.

    `row` is that of the datum, among those that the program ran on, where it is known.
    """

    def __init__(self, what: str, row: int | None = None) -> None:
        self.what, self.row = what, row
        super().__init__(
            f"{what}; look for NaN in the data, and see that the guide draws where the model has a "
            "density"
        )


@contextmanager
def rows_named(columns: tuple[Tensor, ...], start: int) -> Iterator[None]:
    """Lets a refusal of a number inside say which datum it is of.

    Arguments:
        columns: the data that programs run on inside.
        start: how many data come before these.

    Raises:
        ValueError: a number is refused; the message names the row of x, and what is odd in it.
    """
    try:
        yield
    except RefusedNumber as error:
        odd = _not_finite(columns)
        row = odd[1] if odd is not None else error.row
        if row is None:
            raise
        holds = ", which holds NaN or infinity" if odd is not None else ""
        at = "x" if odd is None or not odd[0] else f"column {odd[0]} of the data"
        mend = "leave it out" if odd is not None else "see that it lies in the support of the site"
        raise ValueError(f"{error.what}: row {start + row} of {at}{holds}; {mend}") from error


def _not_finite(columns: tuple[Tensor, ...]) -> tuple[int, int] | None:
    """Returns the number of the first column that holds NaN or infinity, and of its first row."""
    for number, column in enumerate(columns):
        if column.is_floating_point():
            odd = (~column.isfinite()).flatten(1).any(1) if column.dim() > 1 else ~column.isfinite()
            if bool(odd.any()):
                return number, int(odd.nonzero()[0])
    return None

"""Where data come from: the name of every row, by which its results are found again."""

from dataclasses import dataclass

import numpy as np

# What rows are called by that have no names: their numbers, from 0, as numpy counts them.
ROW = "row"


@dataclass(frozen=True)
class Origins:
    """A name for each datum, `(N,)` whole numbers or text.

    `kind` says what is named: `file`, `row`, or the column of a table that names its rows. Names
    may be anybody's: who shows them escapes them.

    >>> Origins("row", np.array([7, 3]))[1], Origins("file", np.array(["a/cat.png"]))[0]
    ('row 3', 'a/cat.png')
    """

    kind: str
    names: np.ndarray

    @staticmethod
    def counted(count: int) -> "Origins":
        """Returns the origins of `count` rows without names."""
        return Origins(ROW, np.arange(count))

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, number: int) -> str:
        """Returns what datum `number` is called."""
        name = self.names[number]
        return str(name) if self.names.dtype.kind == "U" else f"{self.kind} {name}"

    def rows(self, which: slice | np.ndarray) -> "Origins":
        """Returns the origins of the data that `which` picks."""
        return Origins(self.kind, self.names[which])

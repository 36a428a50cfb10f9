"""How a data set is looked at: the options that data of every source have."""

import re
from dataclasses import dataclass

from data.names import BINARISATIONS, SPACE_NAMES

UNITS = {"": 1, "b": 1, **{f"{p}b": 1000 ** (i + 1) for i, p in enumerate("kmgt")}}
UNITS |= {f"{p}ib": 1024 ** (i + 1) for i, p in enumerate("kmgt")}


@dataclass(frozen=True)
class View:
    """The options that put raw data into a space.

    Arguments:
        space: the name of the space (see `data.spaces`).
        binarisation: how grey levels become bits in the space `binary`: `dynamic` draws the
            training bits for every batch, `fixed` draws them once, and `threshold` draws nothing.
        limit: the number of examples that are kept, the first ones of every split; None keeps all.
        seed: fixes the noise of the validation and test splits, and of the training split where
            `binarisation` is `fixed`. It belongs to the data and not to the run: runs with other
            seeds are measured on the same numbers.
        memory_limit: memory-mapped values that take more bytes than this stay on disk and are
            streamed. It is a number or a string such as "4GB"; None is no limit.

    Raises:
        ValueError: an option has a value that it does not accept.

    >>> View("binary", limit=0)
    Traceback (most recent call last):
    ValueError: limit=0: must be at least 1, or null for all examples
    """

    space: str
    binarisation: str = "dynamic"
    limit: int | None = None
    seed: int = 0
    memory_limit: int | str | None = None

    def __post_init__(self) -> None:
        for name, value, choices in (
            ("space", self.space, SPACE_NAMES),
            ("binarisation", self.binarisation, BINARISATIONS),
        ):
            if value not in choices:
                raise ValueError(f"{name}={value}: choose from {', '.join(choices)}")
        if self.limit is not None and self.limit < 1:
            raise ValueError(f"limit={self.limit}: must be at least 1, or null for all examples")
        in_bytes(self.memory_limit)


def in_bytes(memory_limit: int | str | None) -> float:
    """Returns a limit as a number of bytes; no limit is infinity.

    >>> in_bytes("4GB"), in_bytes("1.5 MiB"), in_bytes(None)
    (4000000000.0, 1572864.0, inf)
    """
    if memory_limit is None:
        return float("inf")
    found = re.fullmatch(r"(\d+(?:\.\d+)?) *([A-Za-z]*)", str(memory_limit))
    unit = UNITS.get(found[2].lower()) if found else None
    if isinstance(memory_limit, bool) or not found or not unit or float(found[1]) == 0:
        raise ValueError(
            f"memory_limit={memory_limit}: must be bytes, such as 4GB, 500MB or 1000000, "
            "or null for no limit"
        )
    return float(found[1]) * unit

"""Whether the numbers of a file are those that a model is given: float32, or a byte each."""

from collections.abc import Sequence

import numpy as np

from data.names import MISSING
from data.raw import blocks

# Rounding to float32 may move a value by so much of its column's range, and no more.
MOST_ROUNDING = 1e-3
LARGEST_EXACT_DOUBLE = 2.0**53


def check_numbers(where: str, values: np.ndarray, columns: Sequence[str] | None = None) -> None:
    """Refuses values that are not finite, or that float32 changes.

    Whole numbers of an integer type must be exact in float32; it may round floats, by a small part
    of the range that their column has.

    Raises:
        ValueError: the message begins with `where`.
    """
    if values.dtype.kind == "b" or values.dtype.itemsize == 1:
        return
    whole = values.dtype.kind in "ui"
    lowest, highest, rounding = (np.zeros(values.shape[1:]) for _ in range(3))
    lowest, highest = lowest + np.inf, highest - np.inf
    for start, block in blocks(values):
        finite = np.isfinite(block)
        if not finite.all():
            index = _first(~finite, start)
            raise ValueError(f"{where}: NaN or infinity at {place(index, columns)}; {MISSING}")
        with np.errstate(over="ignore"):
            wide = block.astype(np.float64)
            error = np.abs(wide.astype(np.float32) - wide)
        lost = ~np.isfinite(error)
        if whole:
            lost = (error > 0) | (np.abs(wide) >= LARGEST_EXACT_DOUBLE)
        if lost.any():
            index = _first(lost, start)
            value = block[(index[0] - start, *index[1:])]
            why = "not exact in float32, which models are given" if whole else "too large"
            mend = ", or save them as floats if rounding does not matter" if whole else ""
            raise ValueError(
                f"{where}: {value} at {place(index, columns)} is {why}; divide the values{mend}"
            )
        lowest, highest = np.minimum(lowest, wide.min(0)), np.maximum(highest, wide.max(0))
        rounding = np.maximum(rounding, error.max(0))
    coarse = rounding > MOST_ROUNDING * (highest - lowest)
    coarse &= highest > lowest
    if coarse.any():
        index = _first(coarse, 0)
        name = index if columns is None else repr(columns[index[0]])
        raise ValueError(
            f"{where}: column {name} lies in {lowest[index]:.9g}..{highest[index]:.9g}, which "
            "float32 is too coarse for; subtract its mean from it, or multiply it"
        )


def place(index: tuple[int, ...], columns: Sequence[str] | None) -> str:
    """Returns where a number is, by the name of its column if it has one.

    >>> place((3, 0), None), place((3, 0), ["age"])
    ('index (3, 0)', "row 3, column 'age'")
    """
    return f"index {index}" if columns is None else f"row {index[0]}, column {columns[index[1]]!r}"


def _first(mask: np.ndarray, start: int) -> tuple[int, ...]:
    first, *others = (int(i) for i in np.argwhere(mask)[0])
    return (first + start, *others)


def own_levels(path: str, arrays: Sequence[np.ndarray]) -> int | None:
    """Returns the number of grey levels that the type of the values says: 256, 2 or none.

    Raises:
        ValueError: the splits differ in it, or bytes are only 0 and 1, which may be either.
    """
    found = {{"uint8": 256, "bool": 2}.get(values.dtype.name) for values in arrays}
    if len(found) > 1:
        types = ", ".join(str(values.dtype) for values in arrays)
        raise ValueError(f"path={path}: the splits have the types {types}; save them in one type")
    (levels,) = found
    if levels == 256 and all(block.max() <= 1 for array in arrays for _, block in blocks(array)):
        raise ValueError(
            f"levels=null: all bytes in {path} are 0 or 1; data.levels=2 takes them for bits, "
            "data.levels=256 for grey levels"
        )
    return levels


def check_levels(where: str, arrays: Sequence[np.ndarray], levels: int) -> None:
    """Raises ValueError unless all values are whole numbers 0..levels-1."""
    if not 2 <= levels <= 256:
        raise ValueError(
            f"levels={levels}: must be from 2 to 256, or null for values that are not quantised"
        )
    for array in arrays:
        if array.dtype == np.uint8 and levels == 256:
            continue
        for _, values in blocks(array):
            whole = values.dtype.kind != "f" or not (values % 1 != 0).any()
            if values.min() < 0 or values.max() >= levels or not whole:
                raise ValueError(
                    f"{where}: with levels={levels} values must be whole numbers 0..{levels - 1}"
                )

"""`data.memory_limit`: the size from which a data set is not read whole."""

import re

from errors import RequestError

UNITS = {"": 1, "B": 1, **{f"{p}B": 1000 ** (i + 1) for i, p in enumerate("kMGT")}}
UNITS |= {f"{p}iB": 1024 ** (i + 1) for i, p in enumerate("KMGT")}


def in_bytes(limit: int | str | None) -> float:
    """4GB, 500MB, 1.5GiB or a number of bytes, as bytes; null is no limit."""
    if limit is None:
        return float("inf")
    found = re.fullmatch(r"(\d+(?:\.\d+)?) *([A-Za-z]*)", str(limit))
    units = {unit.lower(): size for unit, size in UNITS.items()}
    if (
        isinstance(limit, bool)
        or not found
        or found[2].lower() not in units
        or float(found[1]) == 0
    ):
        raise RequestError(
            f"data.memory_limit={limit}: must be bytes, such as 4GB, 500MB or 1000000, or null for no limit"
        )
    return float(found[1]) * units[found[2].lower()]

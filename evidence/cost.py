"""What an integral costs: said before it begins, and counted while it is computed."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Cost:
    """What log p(x) of each datum takes: `nodes` points, and those of a group, run apart, besides.

    `run` is the seconds that a run of the model takes for a point, and `look` those that its
    density takes for a datum.
    """

    nodes: int
    nodes_of_group: int
    group: int
    run: float
    look: float

    def seconds(self, sizes: Sequence[int]) -> float:
        """Returns how long integrals over so many data each take, about."""
        groups = sum(math.ceil(data / self.group) for data in sizes)
        runs = self.nodes * len(sizes) + self.nodes_of_group * groups
        return self.run * runs + self.look * self.pairs(sizes)

    def pairs(self, sizes: Sequence[int]) -> int:
        """Returns how many data times points there are, about."""
        return self.nodes * sum(sizes)


class Meter:
    """Is told what integrals cost, and what of them is done. A subclass may show it, or refuse."""

    def expect(self, cost: Cost, sizes: Sequence[int]) -> None:
        """Is told, before they begin, what integrals over so many data each cost."""

    def did(self, pairs: int) -> None:
        """Is told that p(x, z) was computed at so many more data times points."""


class Together(Meter):
    """Tells `meter` of several integrals, over `sizes` data each, when the first of them begins."""

    def __init__(self, meter: Meter, sizes: Sequence[int]) -> None:
        self.meter, self.sizes, self.begun = meter, sizes, False

    def expect(self, cost: Cost, sizes: Sequence[int]) -> None:
        """Foretells all integrals once: they cost the same a datum."""
        if not self.begun:
            self.meter.expect(cost, self.sizes)
        self.begun = True

    def did(self, pairs: int) -> None:
        self.meter.did(pairs)


def timed(action: Callable[[], T]) -> tuple[float, T]:
    """Returns how long `action` takes when it is done for the second time, and its result."""
    action()
    started = time.perf_counter()
    result = action()
    return time.perf_counter() - started, result

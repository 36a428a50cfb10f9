"""The exact log p(x) where it can be had, and not if it takes too long."""

from collections.abc import Sequence
from contextlib import ExitStack

from evidence import Estimate, exact
from evidence.batch import Batch
from evidence.cost import Cost, Meter
from evidence.progress import Loop
from experiment.recipes.base import Pair
from parallel import group

# An integral that takes longer is only computed if it is asked for.
MOST_SECONDS = 300.0


class TooLong(ArithmeticError):
    """An integral is left out, as it would take longer than it may."""


class Patience(Meter):
    """Tells how much of an integral is done, and refuses one of more than `most` seconds."""

    def __init__(self, most: float, until: ExitStack) -> None:
        self.most, self.until = most, until
        self.loop: Loop | None = None

    def expect(self, cost: Cost, sizes: Sequence[int]) -> None:
        """Begins a loop over data times points.

        Raises:
            TooLong: It takes more than `most` seconds in one of the processes.
        """
        seconds = max(group.gather(cost.seconds(sizes)))
        if seconds > self.most:
            raise TooLong(
                f"it would take about {duration(seconds)}, for {sum(sizes):,} data × "
                f"{cost.nodes:,} points; --exact computes it, on fewer data with --limit"
            )
        self.loop = self.until.enter_context(Loop(total=cost.pairs(sizes)))

    def did(self, pairs: int) -> None:
        """Tells how much is done, up to the end: how many there are is an estimate."""
        if self.loop is not None:
            self.loop.did(min(pairs, self.loop.total - self.loop.done))


def integral(pair: Pair, batch: Batch, most: float) -> Estimate | None:
    """Returns log p(x), or None if there is no way to it.

    Raises:
        ArithmeticError: The integral fits no box, or takes more than `most` seconds.
    """
    with ExitStack() as until:
        return exact(*pair, batch, meter=Patience(most, until))


def duration(seconds: float) -> str:
    """Returns a time as a person says it.

    >>> duration(70), duration(780), duration(9000)
    ('70 seconds', '13 minutes', '2.5 hours')
    """
    if seconds < 120:
        return f"{seconds:.0f} seconds"
    return f"{seconds / 60:.0f} minutes" if seconds < 7200 else f"{seconds / 3600:.1f} hours"

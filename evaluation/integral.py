"""The exact log p(x) where it can be had: behind a bar, and not if it takes too long."""

from collections.abc import Sequence

from tqdm import tqdm

from evidence import Estimate, exact
from evidence.batch import Batch
from evidence.cost import Cost, Meter
from experiment.recipes.base import Pair
from parallel import group

# An integral that takes longer is only computed if it is asked for.
MOST_SECONDS = 300.0


class TooLong(ArithmeticError):
    """An integral is left out, as it would take longer than it may."""


class Bar(Meter):
    """Shows how much of an integral is done, and refuses one of more than `most` seconds."""

    def __init__(self, most: float) -> None:
        self.most = most
        self.bar: tqdm | None = None
        self.left = 0

    def expect(self, cost: Cost, sizes: Sequence[int]) -> None:
        """Opens the bar.

        Raises:
            TooLong: It takes more than `most` seconds in one of the processes.
        """
        seconds = max(group.gather(cost.seconds(sizes)))
        if seconds > self.most:
            raise TooLong(
                f"it would take about {duration(seconds)}, for {sum(sizes):,} data × "
                f"{cost.nodes:,} points; --exact computes it, on fewer data with --limit"
            )
        self.left = cost.pairs(sizes)
        self.bar = tqdm(
            total=self.left,
            desc=f"{'log p(x)':>10}",
            leave=False,
            dynamic_ncols=True,
            bar_format="{desc}: {percentage:3.0f}%|{bar}| {elapsed}, {remaining} left",
            disable=None,
        )

    def did(self, pairs: int) -> None:
        """Moves the bar, up to its end: how many there are is an estimate."""
        if self.bar is not None:
            self.bar.update(min(pairs, self.left))
            self.left -= min(pairs, self.left)

    def close(self) -> None:
        """Takes the bar away."""
        if self.bar is not None:
            self.bar.close()


def integral(pair: Pair, batch: Batch, most: float) -> Estimate | None:
    """Returns log p(x), or None if there is no way to it.

    Raises:
        ArithmeticError: The integral fits no box, or takes more than `most` seconds.
    """
    bar = Bar(most)
    try:
        return exact(*pair, batch, meter=bar)
    finally:
        bar.close()


def duration(seconds: float) -> str:
    """Returns a time as a person says it.

    >>> duration(70), duration(780), duration(9000)
    ('70 seconds', '13 minutes', '2.5 hours')
    """
    if seconds < 120:
        return f"{seconds:.0f} seconds"
    return f"{seconds / 60:.0f} minutes" if seconds < 7200 else f"{seconds / 3600:.1f} hours"

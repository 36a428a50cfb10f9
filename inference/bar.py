"""A bar that moves while long work lasts: on a terminal it is drawn, elsewhere it says lines."""

import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType

from tqdm import tqdm

from inference.ticker import Ticker
from parallel import group

# How often there is another line in a log file.
SECONDS_BETWEEN_LINES = 30.0
# How often the bar moves on its own, and how often it is drawn at most.
TICK_SECONDS, DRAW_SECONDS = 0.5, 0.1
# The columns of a terminal that does not say how wide it is.
COLUMNS = 80


@dataclass(frozen=True)
class Shown:
    """What a bar shows: what is under way, how far it is, from 0 to 1, and what else is known."""

    what: str
    share: float
    more: str = ""
    # About how many seconds the whole still takes; None as long as that is not known.
    left: float | None = None

    @property
    def known(self) -> str:
        """The time left, and what else is known."""
        left = "" if self.left is None else f"{tqdm.format_interval(max(self.left, 0.0))} left"
        return ", ".join(filter(None, (left, self.more)))


class Bar:
    """Draws `shown()` on stderr, in the first process.

    Where stderr is no terminal it prints a line instead, when `is_due` says so, half a minute after
    the last one at the earliest. A bar that is to `stay` is still there when it is closed.
    """

    def __init__(
        self,
        shown: Callable[[], Shown],
        is_due: Callable[[], bool] = lambda: True,
        stay: bool = False,
    ) -> None:
        self.shown, self.is_due, self.position = shown, is_due, 0.0
        self.drawn, self.said = 0.0, time.monotonic()
        self.bar = tqdm(
            total=1.0,
            bar_format="{desc} {percentage:3.0f}%|{bar}| {elapsed}{postfix}",
            leave=stay,
            ncols=columns(),
            nrows=2,  # a pseudo-terminal without a size has 0, and tqdm would draw nothing there
            disable=None if group.is_first() else True,
        )
        self.ticker = Ticker(self._tick, TICK_SECONDS)

    def __enter__(self) -> "Bar":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.ticker.close()
        self.draw()
        self.bar.close()

    def begin(self) -> None:
        """Draws what is shown; as it is something else than before, a line is due soon."""
        self.said = -SECONDS_BETWEEN_LINES
        self.draw()

    def moved(self) -> None:
        """Draws what is shown, unless it was drawn just now."""
        if time.monotonic() - self.drawn > DRAW_SECONDS:
            self.draw()

    def draw(self) -> None:
        """Draws what is shown."""
        self.drawn = time.monotonic()
        if self.bar.disable:
            return
        now = self.shown()
        # The estimate of what is left may grow; the bar does not go back.
        self.position = max(self.position, min(1.0, now.share))
        self.bar.n, self.bar.ncols = self.position, columns()
        self.bar.set_description_str(now.what, refresh=False)
        self.bar.set_postfix_str(now.known, refresh=False)
        self.bar.refresh()

    def say(self) -> None:
        """Prints what is shown as a line, where there is no terminal."""
        if self.bar.disable and group.is_first():
            self.said, now = time.monotonic(), self.shown()
            print(", ".join(filter(None, (now.what, now.known))), file=sys.stderr, flush=True)

    def _tick(self) -> None:
        self.draw()
        if self.is_due() and time.monotonic() - self.said > SECONDS_BETWEEN_LINES:
            self.say()


def columns() -> int:
    """Returns how wide the terminal of stderr is; a pseudo-terminal may say 0, and gets 80."""
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns or COLUMNS
    except (OSError, ValueError):  # stderr is no terminal, or a test has replaced it
        return COLUMNS

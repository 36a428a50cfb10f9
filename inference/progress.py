"""The progress of a training run, its measuring passes included."""

import statistics
import time
from collections.abc import Callable
from types import TracebackType

from inference.bar import Bar, Shown

# A datum that is measured takes about this share of the time of one that is trained on. This is a
# guess for the first epoch; after it the time is known.
MEASURING = 1 / 3


class Progress:
    """Shows epoch, time left, validation ELBO and examples per second on stderr.

    Arguments:
        epochs: How many there are.
        examples: How many an epoch trains on.
        batch_size: How many of them a step takes.
        first_epoch: How many epochs are done already.
        measured: On how many data the pair is measured after each epoch.
        clock: Says the time in seconds.
        compiled: Whether the first step compiles, which takes long.
    """

    def __init__(
        self,
        epochs: int,
        examples: int,
        batch_size: int,
        first_epoch: int,
        measured: int = 0,
        clock: Callable[[], float] = time.monotonic,
        compiled: bool = False,
    ) -> None:
        self.epochs, self.now, self.clock = epochs, first_epoch, clock
        self.examples, self.batch_size, self.measured = examples, batch_size, measured
        self.compiled = compiled
        self.left_in_epoch, self.left_to_measure, self.is_measuring, self.said = 0, 0, False, ""
        # The first step of all tells nothing of the others: it validates, records and compiles.
        # Examples and seconds of that step, and of all others; the seconds of each measuring pass.
        self.first, self.others, self.passes = (0, 0.0), (0, 0.0), list[float]()
        self.mark = clock()
        self.bar = Bar(self.shown, stay=True)

    def __enter__(self) -> "Progress":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.bar.__exit__(kind, error, trace)

    def epoch(self, epoch: int) -> None:
        """Epoch `epoch`, counted from 1, begins."""
        self.now, self.left_in_epoch, self.left_to_measure = epoch, self.examples, 1
        self.mark = self.clock()
        self.bar.draw()

    def step(self) -> None:
        """Counts a batch that all processes together have trained on."""
        examples = min(self.batch_size, self.left_in_epoch)
        self.left_in_epoch -= examples
        self._took(examples)
        self.bar.moved()

    def measures(self) -> None:
        """The epoch's steps are all done, and the pair is measured now."""
        self._took(0)
        self.is_measuring = True
        self.bar.draw()

    def elbo(self, elbo: float, best: float) -> None:
        """The epoch has ended, its checkpoint included, with this ELBO, nats per datum."""
        self.passes.append(self._lap())
        self.is_measuring, self.left_to_measure = False, 0
        self.said = f"valid ELBO {elbo:.2f}" + (f" (best {best:.2f})" if best > elbo else "")
        self.bar.draw()
        if len(self.passes) == 1 or self.now == self.epochs:
            self.bar.say()

    def shown(self) -> Shown:
        """Returns what the bar shows."""
        what = f"epoch {self.now}/{self.epochs}"
        if self.is_measuring:
            what += ", measuring"
        elif self.compiled and not self.first[0]:
            what += ", compiling"
        each = self.seconds_per_example()
        if each is None:
            return Shown(what, (self.now - self.left_to_measure) / self.epochs)
        left, whole = self.left(each), self.epochs * self._seconds_of_epoch(each)
        speed = f"{1 / each:,.0f} examples/s"
        return Shown(what, 1 - left / whole, ", ".join(filter(None, (self.said, speed))), left)

    def seconds_per_example(self) -> float | None:
        """Returns what the steps take, or None as long as nothing tells."""
        for examples, seconds in (self.others, self.first if self.passes else (0, 0.0)):
            if examples and seconds:
                return seconds / examples
        return None

    def left(self, each: float) -> float:
        """Returns about how many seconds are left, at so many seconds for each example."""
        measuring = self.left_to_measure * self._seconds_of_measuring(each)
        under_way = self.clock() - self.mark if self.is_measuring else 0.0
        later = (self.epochs - self.now) * self._seconds_of_epoch(each)
        return self.left_in_epoch * each + max(0.0, measuring - under_way) + later

    def _seconds_of_measuring(self, each: float) -> float:
        return statistics.mean(self.passes) if self.passes else self.measured * MEASURING * each

    def _seconds_of_epoch(self, each: float) -> float:
        return self.examples * each + self._seconds_of_measuring(each)

    def _took(self, examples: int) -> None:
        seconds = self._lap()
        if not self.first[0]:
            self.first = examples, seconds
        else:
            self.others = self.others[0] + examples, self.others[1] + seconds

    def _lap(self) -> float:
        """Returns the seconds since it was last asked."""
        before, self.mark = self.mark, self.clock()
        return self.mark - before

"""The progress of a training run: a bar on a terminal, a plain line now and then elsewhere."""

import sys
import time
from types import TracebackType

from tqdm import tqdm

# In a log file. The first line comes at the end of the first epoch.
SECONDS_BETWEEN_LINES = 30.0


class Progress:
    """Shows epoch, validation ELBO, examples per second and the time left, on stderr."""

    def __init__(self, epochs: int, examples: int, batch_size: int, first_epoch: int) -> None:
        self.epochs, self.now = epochs, first_epoch
        self.examples, self.batch_size, self.left_in_epoch = examples, batch_size, 0
        self.bar = tqdm(
            total=epochs * examples,
            initial=first_epoch * examples,
            unit=" examples",
            unit_scale=True,
            dynamic_ncols=True,
            mininterval=0.2,
            bar_format="{desc} {percentage:3.0f}%|{bar}| {rate_fmt}, {remaining} left{postfix}",
            disable=None,  # where stderr is no terminal
        )
        self.started, self.told, self.done = time.monotonic(), -SECONDS_BETWEEN_LINES, 0
        self.left = (epochs - first_epoch) * examples

    def __enter__(self) -> "Progress":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.bar.close()

    def epoch(self, epoch: int) -> None:
        """Epoch `epoch`, counted from 1, begins."""
        self.now, self.left_in_epoch = epoch, self.examples
        self.bar.set_description_str(f"epoch {epoch}/{self.epochs}", refresh=False)

    def step(self) -> None:
        """Counts a batch that all processes together have trained on."""
        examples = min(self.batch_size, self.left_in_epoch)
        self.left_in_epoch -= examples
        self.done += examples
        self.bar.update(examples)

    def elbo(self, elbo: float, best: float) -> None:
        """The epoch has ended with this validation ELBO, nats per datum."""
        said = f"valid ELBO {elbo:.2f} (best {best:.2f})"
        self.bar.set_postfix_str(said, refresh=False)
        seconds = time.monotonic() - self.started
        if self.bar.disable and (
            seconds - self.told >= SECONDS_BETWEEN_LINES or self.now == self.epochs
        ):
            self.told = seconds
            rate = self.done / seconds
            left = tqdm.format_interval((self.left - self.done) / rate)
            line = f"epoch {self.now}/{self.epochs}: {said}, {rate:,.0f} examples/s, {left} left"
            print(line, file=sys.stderr, flush=True)

"""The progress bar: epoch, ELBO, examples per second and time left."""

import sys
from types import TracebackType

from tqdm import tqdm


class Progress:
    """A bar over all examples of all epochs; on anything but a terminal it speaks up every ten seconds only."""

    def __init__(self, epochs: int, examples_per_epoch: int, first_epoch: int) -> None:
        self.epochs = epochs
        self.bar = tqdm(
            total=epochs * examples_per_epoch,
            initial=first_epoch * examples_per_epoch,
            unit=" examples",
            unit_scale=True,
            dynamic_ncols=True,
            mininterval=0.2 if sys.stderr.isatty() else 10.0,
            bar_format="{desc} {percentage:3.0f}%|{bar}| {rate_fmt}, {remaining} left{postfix}",
        )

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.bar.close()

    def epoch(self, epoch: int) -> None:
        """Epoch `epoch`, counted from 1, begins."""
        self.bar.set_description_str(f"epoch {epoch}/{self.epochs}", refresh=False)

    def advance(self, examples: int) -> None:
        """`examples` more have been trained on."""
        self.bar.update(examples)

    def elbo(self, elbo: float, best: float) -> None:
        """The validation ELBO after an epoch, nats per datum."""
        self.bar.set_postfix_str(f"valid ELBO {elbo:.2f} (best {best:.2f})", refresh=False)

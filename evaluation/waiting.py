"""Which stage of how many an evaluation is in, how far it is, and how long the whole still takes.

On a terminal this is a bar on stderr; elsewhere it is a line for each stage that takes long, and
one every half a minute.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType

from evidence.progress import listening
from inference.bar import Bar, Shown

# In a log file: what takes less is not worth a line.
SILENT_SECONDS = 3.0
# The share of a stage, and the seconds, from which on its own speed says how long it takes.
TELLING_SHARE, TELLING_SECONDS = 0.01, 0.5


@dataclass(frozen=True)
class Stage:
    """A part of an evaluation: its short name in files, and what it does in words.

    `rows` are about how many data the decoder computes, by which the time of stages to come is
    guessed from that of earlier ones, and `seconds` what it takes besides.
    """

    name: str
    words: str
    rows: float = 0.0
    seconds: float = 0.0


class Waiting:
    """Shows how far the stages are; `which` says which of several runs they measure."""

    def __init__(self, which: str = "") -> None:
        self.which, self.stages, self.number = which, list[Stage](), 0
        self.stage, self.share, self.words = Stage("", ""), 0.0, ""
        # The rows and the seconds of the stages that were measured, without what they take besides.
        self.rows, self.seconds = 0.0, 0.0
        self.began = self.entered = time.monotonic()
        self.bar = Bar(self.shown, lambda: time.monotonic() - self.entered > SILENT_SECONDS)

    def __enter__(self) -> "Waiting":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.bar.__exit__(kind, error, trace)

    def expect(self, stages: Sequence[Stage]) -> None:
        """Is told which stages are to come."""
        self.stages += stages

    def skip(self, name: str) -> None:
        """Is told that a stage needs no measuring."""
        self._number(name)
        self.stage = self.stages[self.number - 1]
        self.share = 1.0

    @contextmanager
    def entered_stage(self, name: str) -> Iterator[None]:
        """Inside, the stage called `name` is under way."""
        self._number(name)
        self.stage, self.share, self.words = self.stages[self.number - 1], 0.0, ""
        self.entered = time.monotonic()
        self.bar.begin()
        with listening(self._hear):
            yield
        self.rows += self.stage.rows
        self.seconds += max(0.0, time.monotonic() - self.entered - self.stage.seconds)
        self.share = 1.0

    def _number(self, name: str) -> None:
        names = [stage.name for stage in self.stages]
        self.number = names.index(name, self.number) + 1

    @property
    def description(self) -> str:
        """The stage that is under way, and where its innermost loop stands."""
        stage = f"{self.number} of {len(self.stages)}: {self.stage.words}"
        stage = stage if self.number else "opening the run"
        return ", ".join(filter(None, (self.which and f"run {self.which}", stage, self.words)))

    def left(self) -> float | None:
        """Returns about how many seconds the stages still take, or None as long as none is told."""
        if not self.number:
            return None
        elapsed, stage = time.monotonic() - self.entered, self.stage
        rate = self.seconds / self.rows if self.rows else None
        if self.share > TELLING_SHARE and elapsed > TELLING_SECONDS:
            whole: float | None = elapsed / self.share
            if rate is None and stage.rows:
                rate = elapsed / self.share / stage.rows
        else:
            whole = None if rate is None else max(elapsed, stage.rows * rate + stage.seconds)
        if whole is None or rate is None:
            return None
        later = self.stages[self.number :]
        own = 0.0 if self.share == 1.0 else whole - elapsed
        return own + sum(stage.rows * rate + stage.seconds for stage in later)

    def shown(self) -> Shown:
        """Returns what the bar shows."""
        left, elapsed = self.left(), time.monotonic() - self.began
        share = 0.0 if left is None else elapsed / (elapsed + left or 1.0)
        return Shown(self.description, share, left=left)

    def _hear(self, share: float, words: str) -> None:
        self.share, self.words = share, words
        self.bar.moved()

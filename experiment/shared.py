"""A run directory that several processes train in: the first reads and writes it, the others are told."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from experiment.directory import Config, RunDirectory
from parallel.group import from_first, is_first


class SharedRunDirectory(RunDirectory):
    """A RunDirectory of which only the first process sees the files; they need not be on a disk that all can reach.

    All processes call what reads, together, and get the same or the same refusal; what writes does nothing but in the first.
    """

    def __init__(self, path: str | Path) -> None:
        super().__init__(path)
        self.files = RunDirectory(
            path
        )  # none of whose methods calls one of those below, which take all processes

    @property
    def is_done(self) -> bool:
        return from_first(lambda: self.files.is_done)

    @contextmanager
    def claim(self, config: Config, resume: bool = True) -> Iterator[None]:
        with ExitStack() as held:
            from_first(lambda: held.enter_context(self.files.claim(config, resume)))
            yield

    def saved_state(self) -> dict[str, Any] | None:
        return from_first(self.files.saved_state)

    def append_metrics(self, records: list[dict[str, Any]]) -> None:
        self._write(lambda: self.files.append_metrics(records))

    def write_metrics(self, records: list[dict[str, Any]]) -> None:
        self._write(lambda: self.files.write_metrics(records))

    def save(self, state: dict[str, Any], best: dict[str, Any]) -> None:
        self._write(lambda: self.files.save(state, best))

    def finish(self) -> None:
        self._write(self.files.finish)

    def _write(self, action: Callable[[], None]) -> None:
        if is_first():
            action()

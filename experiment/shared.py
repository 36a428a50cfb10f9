"""A run directory that several processes train in: the first one reads and writes its files."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from experiment.checkpoints import State
from experiment.data_file import Hashes
from experiment.directory import RunDirectory
from experiment.metrics_file import Record
from experiment.request import Request
from parallel.group import from_first, is_first


class SharedRunDirectory:
    """The run directory `files`, which only the first process needs to reach.

    All processes call what reads together, and get the same answer or the same refusal. What writes
    does nothing except in the first process.
    """

    def __init__(self, path: str | Path) -> None:
        self.files = RunDirectory(path)
        self.path = self.files.path

    @property
    def is_done(self) -> bool:
        return from_first(lambda: self.files.is_done)

    def as_there(self, request: Request) -> Request:
        """Returns `request` as the run here means it (see `RunDirectory.as_there`)."""
        return from_first(lambda: self.files.as_there(request))

    @contextmanager
    def claim(self, request: Request, resume: bool = True) -> Iterator[None]:
        """Holds the directory (see `RunDirectory.claim`)."""
        with ExitStack() as held:
            from_first(lambda: held.enter_context(self.files.claim(request, resume)))
            yield

    def accept_data(self, hashes: Hashes) -> None:
        """Keeps or compares the hashes of the data (see `RunDirectory.accept_data`)."""
        from_first(lambda: self.files.accept_data(hashes))

    def saved_state(self) -> State | None:
        """Returns what training goes on from."""
        return from_first(self.files.saved_state)

    def append_metrics(self, records: Sequence[Record]) -> None:
        """Adds `records` to metrics.jsonl."""
        if is_first():
            self.files.append_metrics(records)

    def write_metrics(self, records: Sequence[Record]) -> None:
        """Makes metrics.jsonl hold `records` alone."""
        if is_first():
            self.files.write_metrics(records)

    def save(self, state: State, best: State) -> None:
        """Keeps all that training goes on from, and the weights of the best epoch."""
        if is_first():
            self.files.save(state, best)

    def finish(self) -> None:
        """Writes the last file of a run."""
        if is_first():
            self.files.finish()

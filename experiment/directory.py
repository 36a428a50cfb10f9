"""The run directory: what a run leaves behind, written so that a kill at any moment loses nothing.

    config.yaml  data.json  environment.json  metrics.jsonl
    checkpoint-last.pt  checkpoint-best.pt  DONE

A file appears whole or not at all: it is written beside, flushed to disk, then renamed. Opening a
run directory reads data and never code: YAML by the safe loader, checkpoints with
`weights_only=True`.
"""

import errno
import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from data.places import no_file
from errors import RequestError, printable
from experiment.checkpoints import Checkpoints, State
from experiment.config_file import read_plain, write_request
from experiment.data_file import Hashes, read_hashes
from experiment.files import held, write_json, write_whole
from experiment.legacy import as_then, digest_then, migrated
from experiment.metrics_file import Record, append_records, read_records, write_records
from experiment.request import PLACES, Request, digest, identity

# Where nothing can be written, and where nothing is, no two files are taken apart.
NOT_WRITTEN = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.ENOENT, errno.ENOTDIR)

EDITED = "is not what the checkpoint was trained with: it was edited, or is damaged"

__all__ = ["EDITED", "PLACES", "RunDirectory", "digest", "identity", "in_a_shell", "of_split"]


def of_split(name: str, split: str) -> str:
    """Returns what a file or folder of an evaluation is called, if it is of `split`.

    >>> of_split("evaluation.json", "test"), of_split("evaluation.json", "train")
    ('evaluation.json', 'evaluation_train.json')
    """
    path = Path(name)
    return name if split == "test" else f"{path.stem}_{split}{path.suffix}"


class RunDirectory:
    """The files of one run. Nothing is created before `claim`."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.config_file = self.path / "config.yaml"
        self.metrics_file = self.path / "metrics.jsonl"
        self.data_file = self.path / "data.json"
        self.done_file = self.path / "DONE"
        self.checkpoints = Checkpoints(self.path)
        self._digest: str | None = None  # of the request that holds the claim

    @property
    def is_done(self) -> bool:
        """Whether training ended, by its last epoch or by its patience."""
        return self.done_file.exists()

    def read_config(self) -> dict[str, Any]:
        """Returns the plain values in config.yaml, as this revision would have written them.

        Raises:
            RequestError: there is no config.yaml, or it cannot be read.
        """
        return migrated(read_plain(self.config_file))

    def read_request(self) -> Request:
        """Returns the request that the run was made by.

        Raises:
            RequestError: config.yaml is not there, or is not a request that this project accepts.
        """
        try:
            return Request.read(self.read_config())
        except RequestError as error:
            if str(error).startswith(str(self.path)):
                raise
            raise RequestError(f"{self.config_file}: {error}") from error

    def as_there(self, request: Request) -> Request:
        """Returns `request` as the revision meant it that made the run here, if there is one."""
        if no_file(self.config_file):
            return request
        try:
            return as_then(request, read_plain(self.config_file))
        except RequestError:  # `claim` says what is wrong
            return request

    def made_by(self, state: State) -> bool:
        """Whether the run in config.yaml is the one that made the checkpoint `state`."""
        stored = read_plain(self.config_file)
        known = {None, Request.read(migrated(stored)).digest, digest_then(stored)}
        return state.get("config") in known

    @contextmanager
    def claim(self, request: Request, resume: bool = True) -> Iterator[None]:
        """Makes the directory and holds it alone for as long as the context lasts.

        Raises:
            RequestError: the directory holds another run or cannot be written, or another process
                is writing it; with `resume=False`, it holds any run.
        """
        with ExitStack() as lock:
            try:
                self.path.mkdir(parents=True, exist_ok=True)
                lock.enter_context(held(self.path / ".lock"))
            except BlockingIOError as error:
                what = "another process is training here; wait, or choose another run_dir"
                raise RequestError(f"run_dir={self.path}: {what}") from error
            except (OSError, ValueError) as error:  # a ValueError of a name with a zero byte
                why = error.strerror if isinstance(error, OSError) else error
                raise RequestError(f"run_dir={self.path}: cannot be written ({why})") from error
            self._accept(request, resume)
            self._digest = request.digest
            self.checkpoints.tidy()
            yield

    @contextmanager
    def measuring(self) -> Iterator[None]:
        """Holds the files of evaluations alone for as long as the context lasts.

        Raises:
            RequestError: another process is measuring this run, or the lock is no plain file.
        """
        with ExitStack() as lock:
            try:
                lock.enter_context(held(self.path / ".lock-evaluation"))
            except BlockingIOError as error:
                what = "another process is measuring this run; wait until it is done"
                raise RequestError(f"{self.path}: {what}") from error
            except OSError as error:
                if error.errno not in NOT_WRITTEN:
                    raise RequestError(f"{error.filename}: {error.strerror}") from error
            yield

    def _accept(self, request: Request, resume: bool) -> None:
        """Refuses a request that does not continue the run that is here.

        The checkpoint has the last word on what was trained: a damaged config.yaml is replaced.
        """
        difference = self._difference(request)
        if difference and not self._trained_with(request):
            raise RequestError(f"run_dir={self.path}: {difference}; choose another run_dir")
        if not resume and (self.checkpoints.can_continue or self.is_done):
            raise RequestError(
                f"run_dir={self.path}: already holds a run and train.resume=never; "
                "use train.resume=auto to continue it, or choose another run_dir"
            )
        if difference:
            now = "the checkpoint was trained with the one asked for now"
            warning = f"warning: run_dir={self.path}: {difference}, but {now}"
            print(printable(f"{warning}; config.yaml is written again"), file=sys.stderr)
        if difference or not self.config_file.exists():
            write_request(self.config_file, request)

    def _difference(self, request: Request) -> str | None:
        """Returns why `request` cannot be the run that is here, or None if it can."""
        if not self.config_file.exists():
            holds = self.metrics_file.exists() or self.checkpoints.can_continue
            return "has results but no config.yaml" if holds else None
        try:
            there, here = self.read_request().identity, request.identity
        except RequestError as error:
            return str(error)
        names = [name for name in {**there, **here} if there.get(name) != here.get(name)]
        shown = [f"{name} is {there.get(name)} there, {here.get(name)} now" for name in names[:3]]
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        return f"holds another configuration ({'; '.join(shown)}{more})" if names else None

    def _trained_with(self, request: Request) -> bool:
        state = self.checkpoints.if_good("last") or self.checkpoints.if_good("previous") or {}
        return bool(state.get("config") == request.digest)

    def accept_data(self, hashes: Hashes) -> None:
        """Keeps the hashes of the data, or compares them if the run here has begun.

        Raises:
            RequestError: the run has begun, on other data.
        """
        if self.is_done or self.checkpoints.can_continue:
            self.check_data(hashes)
        elif hashes is not None:
            write_json(self.data_file, dict(hashes))

    def check_data(self, hashes: Hashes) -> None:
        """Raises RequestError if the run here was trained on other data, as far as it knows.

        Runs of earlier revisions and of synthetic data know no hash.
        """
        if hashes is None or not self.data_file.exists():
            return
        there = read_hashes(self.data_file)
        known = {name for name in hashes if hashes[name] and there.get(name)}
        if other := sorted(name for name in known if hashes[name] != there[name]):
            raise RequestError(
                f"{self.path}: these are not the data that the run was trained on (other "
                f"{' and '.join(other)}); put those back, or train on these in another run_dir"
            )

    def append_metrics(self, records: Sequence[Record]) -> None:
        """Adds `records` to metrics.jsonl."""
        append_records(self.metrics_file, records)

    def write_metrics(self, records: Sequence[Record]) -> None:
        """Makes metrics.jsonl hold `records` alone: epochs after a checkpoint are trained again."""
        write_records(self.metrics_file, records)

    def read_metrics(self) -> list[Record]:
        """Returns what metrics.jsonl holds."""
        return read_records(self.metrics_file)

    def save(self, state: State, best: State) -> None:
        """Keeps all that training goes on from, and the weights of the best epoch."""
        made_by = {"config": self._digest}
        self.checkpoints.save(state | made_by, best | made_by)

    def saved_state(self) -> State | None:
        """Returns what training goes on from (see `Checkpoints.state`)."""
        return self.checkpoints.state()

    def finish(self) -> None:
        """Writes the last file of a run, and removes what would only continue it."""
        write_whole(self.done_file, b"")
        self.checkpoints.drop_previous()


def in_a_shell(runs: Sequence[str]) -> str:
    """Returns what names these runs in a shell.

    Where their folder holds no others, that is its `*`; otherwise, the ends of their names do.
    """
    parents = {Path(run).parent for run in runs}
    if len(parents) == 1 and len(runs) > 1 and parents != {Path()}:
        (parent,) = parents
        there = {file for file in parent.glob("*") if file.is_dir()}
        if there == {Path(run) for run in runs}:
            return f"{shlex.quote(str(parent))}/*"
        ends = [Path(run).name.rpartition("-")[2] for run in runs]
        if all(end.isalnum() and len([*parent.glob(f"*-{end}")]) == 1 for end in ends):
            return f"{shlex.quote(str(parent))}/*-{{{','.join(ends)}}}"
    return " ".join(map(shlex.quote, runs))

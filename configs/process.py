"""A command as one process, or as one of several that torchrun started; torch is not needed."""

import io
import os
import signal
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from typing import TYPE_CHECKING, NoReturn, TextIO

from errors import printable
from parallel import launch

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

SECONDS_FOR_THE_FIRST = 10.0  # to say what is wrong, and go


def spin_briefly() -> None:
    """Lets OpenMP's waiting threads go to sleep soon; torch must not be imported yet.

    By default they spin for long, and on a machine with other work (two runs of a sweep, say) take
    the cores from the work that they wait for.
    """
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")


def config_dirs(arguments: list[str]) -> list[str]:
    """Returns the folders after --config-dir, from which Python modules can be imported too."""
    given = [a.removeprefix("--config-dir=") for a in arguments if a.startswith("--config-dir=")]
    pairs = pairwise(arguments)
    return given + [folder for flag, folder in pairs if flag in ("--config-dir", "-cd")]


def complain(message: str, status: int) -> int:
    """Prints one line on stderr, and returns `status`; of several processes, the first prints."""
    if launch.rank():
        wait_for_the_first()
    print(printable(f"error: {message}"), file=sys.stderr)
    return status


def wait_for_the_first() -> None:
    """Lets torchrun end this process once the first has said what is wrong, and gone.

    If that does not happen, this process is alone with its error, and goes on to say it.
    """
    for ending in (signal.SIGTERM, signal.SIGINT):
        signal.signal(ending, signal.SIG_DFL)
    time.sleep(SECONDS_FOR_THE_FIRST)


def run_script(main: Callable[[], int]) -> NoReturn:
    """Ends this process with the status of `main`.

    What it prints never stops its work: characters that the terminal lacks are escaped, and what
    nobody reads any more, or no disk has room for, is dropped, with status 1.
    """
    out, err = _kept(sys.stdout, 1), _kept(sys.stderr, 2)
    sys.stdout, sys.stderr = out.text, err.text
    try:
        status = main()
    except KeyboardInterrupt:
        status = complain("interrupted", 1)
    sys.stdout.flush()
    if out.why:
        status = status or 1
        complain(f"standard output: {out.why}; some of what was printed is lost", status)
    sys.exit(status or int(out.lost))


class _Kept(io.FileIO):
    """The end of a stream that takes everything; `lost` says whether some of it went nowhere.

    `why` does in words, but for a reader who has gone, as `head` does.
    """

    lost = False
    why: str | None = None
    text: TextIO

    def write(self, data: "ReadableBuffer", /) -> int:
        """Writes what can be written."""
        try:
            return super().write(data)
        except OSError as error:
            self.lost = True
            if not isinstance(error, BrokenPipeError):
                self.why = error.strerror
            return memoryview(data).nbytes


def _kept(stream: TextIO | None, number: int) -> _Kept:
    """Returns `stream`, of that file descriptor, in a form that never fails."""
    try:
        end = _Kept(number, "wb", closefd=False)
    except OSError:  # it was closed before the start
        end = _Kept(os.open(os.devnull, os.O_WRONLY), "wb")
        end.lost = number == 1
    end.text = io.TextIOWrapper(
        io.BufferedWriter(end),
        encoding="utf-8" if stream is None else stream.encoding,
        errors="backslashreplace",
        line_buffering=True,  # a log of both streams has their lines in the order they came
    )
    return end

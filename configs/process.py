"""A command as one process, or as one of several that torchrun started; torch is not needed."""

import os
import signal
import sys
import time

from parallel import launch

SECONDS_FOR_THE_FIRST = 10.0  # to say what is wrong, and go


def spin_briefly() -> None:
    """Lets OpenMP's waiting threads go to sleep soon; torch must not be imported yet.

    By default they spin for long, and on a machine with other work (two runs of a sweep, say) take
    the cores from the work that they wait for.
    """
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")


def complain(message: str, status: int) -> int:
    """Prints one line on stderr, and returns `status`; of several processes, the first prints."""
    if launch.rank():
        wait_for_the_first()
    print(f"error: {message}", file=sys.stderr)
    return status


def wait_for_the_first() -> None:
    """Lets torchrun end this process once the first has said what is wrong, and gone.

    If that does not happen, this process is alone with its error, and goes on to say it.
    """
    for ending in (signal.SIGTERM, signal.SIGINT):
        signal.signal(ending, signal.SIG_DFL)
    time.sleep(SECONDS_FOR_THE_FIRST)

"""A clock beside long work, so that what is shown of it moves though the work itself says nothing.

Compiling, say, takes half a minute without a step.
"""

import threading
from collections.abc import Callable


class Ticker:
    """Calls `tick` every `seconds` in a thread of its own, until it is closed."""

    def __init__(self, tick: Callable[[], None], seconds: float = 1.0) -> None:
        self.tick, self.seconds, self.over = tick, seconds, threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        while not self.over.wait(self.seconds):
            self.tick()

    def close(self) -> None:
        """Ends the thread; after this nothing ticks any more."""
        self.over.set()
        self.thread.join()

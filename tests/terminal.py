"""Scripts in a pseudo-terminal: what they draw, and when."""

import os
import pty
import signal
import subprocess
import sys
import termios
import time
from itertools import pairwise

from tests.conftest import ROOT


def in_terminal(*words, cwd, size=(40, 120)):
    """Runs a script in a pseudo-terminal; returns its status and (second, text) as it came."""
    control, terminal = pty.openpty()
    termios.tcsetwinsize(terminal, size)
    process = subprocess.Popen(
        [sys.executable, *words],
        stdout=terminal,
        stderr=terminal,
        cwd=cwd,
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
    )
    os.close(terminal)
    said = []
    try:
        while True:
            try:
                text = os.read(control, 65536)
            except OSError:  # the other end is closed
                break
            if not text:
                break
            said.append((time.monotonic(), text.decode(errors="replace")))
        return process.wait(), said
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
        os.close(control)


def longest_standstill(said):
    """The longest time between two different pictures of the bar, from the first to the last."""
    shown = [(when, text) for when, text in said if "|" in text]
    changed = [shown[0][0]]
    for (_, before), (when, text) in pairwise(shown):
        if text != before:
            changed.append(when)
    return max(b - a for a, b in pairwise(changed))

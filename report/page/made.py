"""How a run and its evaluation were made, as a report tells it."""

import datetime
import json
import math
import shlex
from collections.abc import Mapping

from experiment import Run
from experiment.environment import PACKAGES
from experiment.files import read_plain_file

LARGEST = 1_000_000  # bytes of environment.json
# How numbers of seconds are told.
MINUTE, HOUR = 60, 3600


def made(run: Run) -> dict[str, str]:
    """Returns command, dates, times, hardware and versions by name, those that are known."""
    known = _environment(run)
    command = known.get("command")
    words = [str(word) for word in command] if isinstance(command, list) else []
    versions = {"Python": "python"} | {name: name for name in PACKAGES}
    facts = {
        "command": shlex.join(["python", *words]) if words else "",
        "trained": str(known.get("started", "")),
        "steps took": _training_time(run),
        "device": str(known.get("device", "")),
        "platform": str(known.get("platform", "")),
        "versions": ", ".join(f"{name} {known[k]}" for name, k in versions.items() if k in known),
        "revision": str(known.get("git_revision") or ""),
        "evaluated": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }
    return {name: value for name, value in facts.items() if value}


def _environment(run: Run) -> Mapping[str, object]:
    """Returns what environment.json says; nothing if it is not there or damaged."""
    try:
        found = json.loads(read_plain_file(run.path / "environment.json", LARGEST))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _training_time(run: Run) -> str:
    """Returns the seconds of all steps without measuring, as the last epoch has them."""
    last = run.metrics[-1] if run.metrics else {}
    seconds = last.get("seconds")
    if not isinstance(seconds, int | float) or not math.isfinite(seconds):
        return ""
    return f"{duration(seconds)}, for {last['epoch']} epochs"


def duration(seconds: float) -> str:
    """Returns a time as a person says it.

    >>> duration(3.25), duration(75), duration(7500)
    ('3.2 s', '1 min 15 s', '2 h 5 min')
    """
    if seconds < MINUTE:
        return f"{seconds:.1f} s"
    if seconds < HOUR:
        return f"{int(seconds // MINUTE)} min {int(seconds % MINUTE)} s"
    return f"{int(seconds // HOUR)} h {int(seconds % HOUR // MINUTE)} min"

"""Programs that do the same tensor operations at every call, recorded once and run compiled."""

from evidence.recording.calls import Calls, recorded
from evidence.recording.graph import compiled, one_line, record

__all__ = ["Calls", "compiled", "one_line", "record", "recorded"]

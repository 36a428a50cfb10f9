"""Programs that do the same tensor operations at every call, recorded once and run compiled."""

from recording.calls import Calls, recorded
from recording.graph import compiled, one_line, record

__all__ = ["Calls", "compiled", "one_line", "record", "recorded"]

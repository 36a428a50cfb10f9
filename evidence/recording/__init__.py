"""Programs that do the same tensor operations at every call, recorded once and run compiled."""

from evidence.recording.calls import Calls, Shapes, recorded, run
from evidence.recording.graph import Recorder, one_line, record

__all__ = ["Calls", "Recorder", "Shapes", "one_line", "record", "recorded", "run"]

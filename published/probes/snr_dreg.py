"""The signal-to-noise ratio of DReG's gradient, as K grows."""

from inference.objectives.dreg import DReG
from published.place import Place
from published.probes.signal import slope
from published.verdict import Measured


def measure(place: Place) -> Measured:
    """Returns the slope of log SNR on log K."""
    return slope(DReG, place)

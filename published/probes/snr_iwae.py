"""The signal-to-noise ratio of IWAE's gradient, as K grows."""

from inference.objectives.iwae import IWAE
from published.place import Place
from published.probes.signal import slope
from published.verdict import Measured


def measure(place: Place) -> Measured:
    """Returns the slope of log SNR on log K."""
    return slope(IWAE, place)

"""Whether DReG's gradient has the expectation of IWAE's."""

from inference.objectives.dreg import DReG
from published.place import Place
from published.probes.share import PARTICLES, share
from published.verdict import Measured


def measure(place: Place) -> Measured:
    """Returns the expectation of DReG's gradient along that of IWAE, as a share of it."""
    return share(DReG(PARTICLES), place)

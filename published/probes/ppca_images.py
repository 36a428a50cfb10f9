"""What the formula reads on a thousand images, and how much that depends on which."""

from published.place import Place
from published.probes.pca import likelihoods
from published.verdict import Measured
from report.comparison.paired import Part


def measure(place: Place) -> Measured:
    """Returns the mean; the part of the images is the spread of a single thousand."""
    formula = likelihoods(place)[:, 1]
    spread = Part(float(formula.var(ddof=1)), len(formula) - 1)
    return Measured(float(formula.mean()), spread, num_examples=len(formula))

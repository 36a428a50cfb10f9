"""How far the maximum lies above what the formula reads with a covariance that divides by N − 1."""

from published.place import Place
from published.probes.pca import likelihoods
from published.reading import alone
from published.verdict import Measured


def measure(place: Place) -> Measured:
    """Returns the difference, over random thousands of images."""
    maximum, formula = likelihoods(place).T
    return alone((maximum - formula)[None])

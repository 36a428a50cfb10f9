"""The refusal of a pair whose evidence the library cannot measure."""


class UnsupportedPair(ValueError):
    """The pair has a structure for which no estimator is right: names the site, and what to do."""

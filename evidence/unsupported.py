"""The refusal of a pair whose evidence the library cannot measure."""


class UnsupportedPair(ValueError):
    """The pair has a structure for which the estimator is not right.

    The message names the site, and says what to do.
    """

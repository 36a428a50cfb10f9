"""The errors that are the user's to mend, as opposed to bugs."""


class RequestError(ValueError):
    """The request was wrong (exit status 2).

    The message is one line: what was given, what is accepted, the nearest fix, with the name of the
    option.
    """

    def __str__(self) -> str:
        """The message, with escapes for line ends and whatever else cannot be printed."""
        return "".join(
            c if c.isprintable() else c.encode("unicode_escape").decode() for c in super().__str__()
        )


class TrainingError(RuntimeError):
    """Training cannot go on (exit status 1); the last good checkpoint is intact."""

"""The errors that are the user's to mend, as opposed to bugs."""

from collections.abc import Sequence
from difflib import get_close_matches


class RequestError(ValueError):
    """The request was wrong (exit status 2).

    The message is one line: what was given, what is accepted, the nearest fix, with the name of the
    option.
    """

    def __str__(self) -> str:
        """The message, with escapes for line ends and whatever else cannot be printed."""
        return printable(super().__str__())


class TrainingError(RuntimeError):
    """Training cannot go on (exit status 1); the last good checkpoint is intact."""


def printable(text: object, keep: str = "") -> str:
    """Returns `text` with escapes for all that a terminal would take for a command.

    Names, labels and stored values may be anybody's. The characters of `keep` stay as they are.

    >>> printable("runs/\x1b[2J", keep="\\n")
    'runs/\\\\x1b[2J'
    """
    return "".join(
        c if c.isprintable() or c in keep else c.encode("unicode_escape").decode()
        for c in str(text)
    )


def choose_from(given: str, known: Sequence[str]) -> str:
    """Returns what there is to choose from, the nearest first.

    >>> choose_from("vampp", ["flow", "vamp"])
    'did you mean vamp? there are flow, vamp'
    """
    near = get_close_matches(given.lower(), known, n=1)
    there = ", ".join(known)
    return f"did you mean {near[0]}? there are {there}" if near else f"choose from {there}"


def is_out_of_memory(error: BaseException) -> bool:
    """Whether `error` says that memory is exhausted, on the CPU or on a GPU; needs no torch."""
    words = ("can't allocate memory", "not enough memory", "CUDA out of memory")
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and any(word in str(error) for word in words)
    )

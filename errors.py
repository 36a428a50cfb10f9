"""The errors that are the user's to mend, as opposed to bugs, and how a command line is refused."""

from argparse import ArgumentParser
from importlib.util import find_spec
from typing import NoReturn


class RequestError(ValueError):
    """The request was wrong (exit status 2).

    The message is one line: what was given, what is accepted, the nearest fix, with the name of the option.
    """

    def __str__(self) -> str:
        """Line ends and other characters that cannot be printed, as they may come with what was given, as escapes."""
        return "".join(
            c if c.isprintable() else c.encode("unicode_escape").decode() for c in super().__str__()
        )


class TrainingError(RuntimeError):
    """Training cannot go on (exit status 1); the last good checkpoint is intact."""


class Parser(ArgumentParser):
    """Refuses a wrong command line in one line, where argparse prints the usage before it."""

    def error(self, message: str) -> NoReturn:
        """End with status 2 and one line that names what was wrong."""
        self.exit(2, f"error: {RequestError(' '.join(message.split()))}; see {self.prog} --help\n")


def needs(package: str, option: str) -> None:
    """Refuse `option` where the optional `package` of requirements/tracking.txt is not installed."""
    if find_spec(package) is None:
        raise RequestError(
            f"{option}: needs {package}, which is not installed: pip install -r requirements/tracking.txt"
        )

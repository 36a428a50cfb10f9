"""How the project's own command lines are declared and refused, without torch or Hydra."""

import argparse
import re
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import NoReturn

from data.places import no_folder
from errors import RequestError
from experiment.checks import LARGEST_SEED, LARGEST_WHOLE

OptionGroup = argparse._ActionsContainer  # a parser, or a group of its options


class Parser(argparse.ArgumentParser):
    """Refuses a wrong command line in one line, where argparse prints the usage before it."""

    def error(self, message: str) -> NoReturn:
        """Ends with status 2 and one line that names what was wrong."""
        if found := re.match(r"unrecognized arguments: (--[\w-]+)", message):
            known = sorted({*re.findall(r"--[\w-]+", self.format_usage())})
            near = get_close_matches(found[1], known, n=1)
            message += f"; did you mean {near[0]}?" if near else ""
        joint = "" if message.endswith("?") else ";"
        line = RequestError(" ".join(message.split()))
        self.exit(2, f"error: {line}{joint} see {self.prog} --help\n")


def add_number(
    options: OptionGroup, name: str, default: int | None, what: str, metavar: str | None = None
) -> None:
    """Adds an option that takes a whole number, at least 1."""
    text = what if default is None else f"{what} ({default})"
    options.add_argument(name, type=positive, default=default, metavar=metavar, help=text)


def add_choice(
    options: OptionGroup, name: str, default: str, choices: Sequence[str], what: str
) -> None:
    """Adds an option that takes one of `choices`."""
    options.add_argument(name, default=default, choices=choices, help=f"{what} ({default})")


def add_switch(options: OptionGroup, name: str, what: str) -> None:
    """Adds an option that is on if it is given."""
    options.add_argument(name, action="store_true", help=what)


def positive(text: str) -> int:
    """Returns the whole number that `text` is, if it is at least 1."""
    value = int(text) if text.isdecimal() else 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number, at least 1")
    if value > LARGEST_WHOLE:
        raise argparse.ArgumentTypeError(f"{text!r} is more than {LARGEST_WHOLE}")
    return value


def seed(text: str) -> int:
    """Returns the whole number that `text` is, if it can be a seed."""
    value = int(text) if text.isdecimal() else -1
    if not 0 <= value <= LARGEST_SEED:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0 to {LARGEST_SEED}")
    return value


def named(text: str) -> str:
    """Returns `text`, if it can be the name of a file."""
    if not text:
        raise argparse.ArgumentTypeError("expected the name of a file")
    return text


def folder(text: str) -> str:
    """Returns `text`, if it names a folder."""
    if why := no_folder(Path(text)):
        raise argparse.ArgumentTypeError(f"{text}: {why}")
    return text


def some_of(choices: Sequence[str], text: str) -> list[str]:
    """Returns the words of `text`, which commas separate, if all of them are among `choices`."""
    for word in text.split(","):
        if word not in choices:
            raise argparse.ArgumentTypeError(f"{word!r}: choose from {', '.join(choices)}")
    return text.split(",")

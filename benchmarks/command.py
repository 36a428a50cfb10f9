"""Command lines of the benchmarks: a wrong request is refused before anything is measured."""

import argparse
from collections.abc import Callable, Iterable
from pathlib import Path

from configs.parser import Parser


def parser(doc: str | None, rounds: int | None = None, json: bool = True) -> Parser:
    """Returns a parser with the first paragraph of `doc` and the options that benchmarks share.

    `rounds` is the default of `--rounds`; None leaves this option out, and `json=False` leaves out
    `--json`.
    """
    new = Parser(description=(doc or "").split("\n\n")[0])
    figures = "write the figures here, with versions and device"
    if json:
        new.add_argument("--json", type=new_file, metavar="FILE", help=figures)
    if rounds is not None:
        turns = f"of all contenders in turn ({rounds})"
        new.add_argument("--rounds", type=at_least(2), default=rounds, help=turns)
    return new


def add_clock(parser: Parser) -> None:
    """Adds `--busy`, which measures processor time on one thread."""
    text = "others use this machine: one thread, processor time"
    parser.add_argument("--busy", action="store_true", help=text)


def add_case(parser: Parser, cases: Iterable[str]) -> None:
    """Adds the option `--case`, which becomes a list of some of `cases`."""
    text = f"only cases that contain this; there are {'; '.join(cases)}"
    parser.add_argument("--case", type=among(cases), default="", help=text)


def add_device(parser: Parser) -> None:
    """Adds `--device`, which says where to compute."""
    text, choices = "where to compute (cpu)", "{cpu,cuda}"
    parser.add_argument("--device", type=device, default="cpu", metavar=choices, help=text)


def among(names: Iterable[str]) -> Callable[[str], list[str]]:
    """Returns a type of argument: the names, at least one, that contain a text."""
    names = list(names)

    def containing(text: str) -> list[str]:
        found = [name for name in names if text in name]
        if not found:
            raise argparse.ArgumentTypeError(f"{text!r} is in none of: {'; '.join(names)}")
        return found

    return containing


def at_least(least: int) -> Callable[[str], int]:
    """Returns a type of argument: a whole number that is not smaller than `least`."""

    def number(text: str) -> int:
        value = int(text) if text.isdecimal() else -1
        if value < least:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number, at least {least}")
        return value

    return number


def new_file(text: str) -> Path:
    """Accepts the path of a file that can be written, as far as its folder tells."""
    path = Path(text)
    if not path.parent.is_dir():
        raise argparse.ArgumentTypeError(f"{text!r}: there is no folder {str(path.parent)!r}")
    if path.is_dir():
        raise argparse.ArgumentTypeError(f"{text!r} is a folder")
    return path


def device(text: str) -> str:
    """Accepts cpu, and cuda where there is a GPU."""
    if text not in ("cpu", "cuda"):
        raise argparse.ArgumentTypeError(f"{text!r}: choose from cpu, cuda")
    import torch

    if text == "cuda" and not torch.cuda.is_available():
        raise argparse.ArgumentTypeError("'cuda': there is none here; choose cpu")
    return text

"""Command lines of the benchmarks: a wrong request is refused in one line, before anything is measured."""

import argparse
from collections.abc import Callable, Iterable
from pathlib import Path

from configs.parser import Parser


def parser(doc: str | None, rounds: int | None = None) -> Parser:
    """With the first paragraph of `doc`, and the options that they share; `rounds` are the default number."""
    new = Parser(description=(doc or "").split("\n\n")[0])
    new.add_argument(
        "--json",
        type=new_file,
        metavar="FILE",
        help="write the figures here, with versions and device",
    )
    if rounds is not None:
        new.add_argument(
            "--rounds",
            type=at_least(2),
            default=rounds,
            help=f"of all contenders in turn ({rounds})",
        )
    return new


def add_clock(parser: Parser) -> None:
    """The option `--busy`."""
    parser.add_argument(
        "--busy", action="store_true", help="others use this machine: one thread, processor time"
    )


def add_case(parser: Parser, cases: Iterable[str]) -> None:
    """The option `--case`: a list of some of `cases`."""
    listed = "; ".join(cases)
    parser.add_argument(
        "--case",
        type=among(cases),
        default="",
        help=f"only cases that contain this; there are {listed}",
    )


def add_device(parser: Parser) -> None:
    """The option `--device`."""
    parser.add_argument(
        "--device", type=device, default="cpu", metavar="{cpu,cuda}", help="where to compute (cpu)"
    )


def among(names: Iterable[str]) -> Callable[[str], list[str]]:
    """The names that contain a text: at least one."""
    names = list(names)

    def containing(text: str) -> list[str]:
        found = [name for name in names if text in name]
        if not found:
            raise argparse.ArgumentTypeError(f"{text!r} is in none of: {'; '.join(names)}")
        return found

    return containing


def at_least(least: int) -> Callable[[str], int]:
    """A whole number that is not smaller."""

    def number(text: str) -> int:
        value = int(text) if text.isdecimal() else -1
        if value < least:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number, at least {least}")
        return value

    return number


def new_file(text: str) -> Path:
    """A file that can be written, as far as its folder tells."""
    path = Path(text)
    if not path.parent.is_dir():
        raise argparse.ArgumentTypeError(f"{text!r}: there is no folder {str(path.parent)!r}")
    if path.is_dir():
        raise argparse.ArgumentTypeError(f"{text!r} is a folder")
    return path


def device(text: str) -> str:
    """cpu, or cuda where there is one."""
    if text not in ("cpu", "cuda"):
        raise argparse.ArgumentTypeError(f"{text!r}: choose from cpu, cuda")
    import torch

    if text == "cuda" and not torch.cuda.is_available():
        raise argparse.ArgumentTypeError("'cuda': there is none here; choose cpu")
    return text

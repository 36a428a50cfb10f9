"""What train.py --help says: every choice and option, in the words of the YAML files' comments."""

import textwrap
from collections.abc import Sequence
from pathlib import Path

from configs.described import (
    Option,
    default_of,
    described,
    files_of,
    general_options,
    options_of,
)
from errors import RequestError, choose_from
from experiment.choices import AXES, CONFIGS

WIDTH = 100
HEAD = """Fit a variational autoencoder with Pyro's SVI, and keep everything in a run directory.

  python train.py [axis=choice …] [option=value …]
"""
FOOT = """Examples
  python train.py                                      # a 2-d latent space of digits, in seconds
  python train.py data=mnist data.root=DIR latent_dim=50 train.epochs=40
  python train.py likelihood=gaussian likelihood.scale=learned
  python train.py -m guide=mean_field,full_covariance seed=0,1,2   # a sweep: every combination
  python train.py --config-dir DIR prior=mine          # choices of your own: docs/extending.md
Then
  python evaluate.py RUN                               # where log p(x) is; figures

The same command again continues a run that was cut, and does nothing for one that is done.
--cfg job prints the configuration that a command stands for, without running it."""


def help_page(words: Sequence[str], folders: Sequence[str] = ()) -> str:
    """Returns the help: of the choices among `words`, or else of everything.

    `folders` hold choices of somebody's own.

    Raises:
        RequestError: there is no such choice.
    """
    places = [CONFIGS, *map(Path, folders)]
    chosen = [word.split("=", 1) for word in words if word.split("=", 1)[0] in AXES and "=" in word]
    if chosen:
        rest = "everything else: python train.py --help"
        return "\n\n".join([*(choice_help(places, *pair) for pair in chosen), rest])
    return "\n".join(
        [
            HEAD,
            "Axes and their choices (axis=choice; * is the default) [and what options they have]",
            "  python train.py prior=vamp --help says what those of a choice are",
            *(line for axis in AXES for line in axis_help(places, axis)),
            "",
            "Options (option=default)",
            *table(general_options()),
            "",
            FOOT,
        ]
    )


def axis_help(places: Sequence[Path], axis: str) -> list[str]:
    """Returns a line for every choice of an axis."""
    lines = [f"  {axis}"]
    for name, file in files_of(places, axis).items():
        about = described(file)
        mark = "*" if name == default_of(axis) else " "
        options = f" [{', '.join(o.name for o in about.options)}]" if about.options else ""
        lines += hanging(f"  {mark} {name:<22}", (about.about or [""])[0] + options)
    return lines


def choice_help(places: Sequence[Path], axis: str, name: str) -> str:
    """Returns what one choice is, and its options."""
    files = files_of(places, axis)
    if name not in files:
        raise RequestError(f"{axis}={name}: no such choice; {choose_from(name, list(files))}")
    found = described(files[name])
    lines = table(options_of(axis, files[name])) or ["  It has no options."]
    about = [line for text in found.about for line in hanging("  ", text)]
    return "\n".join([f"{axis}={name}", *about, "", *lines])


def table(options: Sequence[Option]) -> list[str]:
    """Returns a line or more for each option."""
    return [
        line
        for one in options
        for line in hanging(f"  {f'{one.name}={one.default}':<32}", one.meaning)
    ]


def hanging(start: str, text: str) -> list[str]:
    """Returns `text` after `start`, in lines that begin where it began."""
    if len(start) > 34:
        return [start.rstrip(), *hanging(" " * 34, text)]
    return textwrap.wrap(text, WIDTH, initial_indent=start, subsequent_indent=" " * len(start)) or [
        start.rstrip()
    ]

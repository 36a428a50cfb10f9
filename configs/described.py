"""What the YAML files say in their comments: of each choice, and of each option.

Neither torch nor Hydra is needed: the files are read line by line, because a YAML parser drops
comments.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from experiment.choices import AXES, CONFIGS

# One line of a file: "name: value   # meaning", indented if it belongs to a group.
ENTRY = re.compile(r"(?P<indent> *)(?P<name>\w+): *(?P<value>[^#]*?) *(?:# *(?P<meaning>.*))?$")
NO_OPTIONS = ("defaults", "_target_", "hydra")


@dataclass(frozen=True)
class Option:
    """An option with its default, and what it accepts and means."""

    name: str
    default: str
    meaning: str


@dataclass
class Described:
    """What a YAML file says in its comments: of itself, and of each option."""

    about: list[str] = field(default_factory=list)
    options: list[Option] = field(default_factory=list)


def described(file: Path) -> Described:
    """Returns what the comments in `file` say.

    Those before the first entry are about the file; those before an option, and beside it, are
    about the option.
    """
    found, said, group, begun = Described(), [], "", False
    for line in file.read_text(encoding="utf-8").splitlines():
        if line.startswith("# @"):  # an instruction for Hydra
            continue
        if line.lstrip().startswith("#"):
            said.append(line.strip().removeprefix("#").strip())
        elif entry := ENTRY.fullmatch(line):
            if not begun:
                found.about, said, begun = said, [], True
            name, value = entry["name"], entry["value"]
            if not entry["indent"]:
                group = "" if value or name in NO_OPTIONS else f"{name}."
            in_hydra = entry["indent"] and not group
            if name not in NO_OPTIONS and value and not in_hydra:
                meaning = " ".join([*said, entry["meaning"] or ""]).strip()
                found.options.append(Option(group * bool(entry["indent"]) + name, value, meaning))
            said = []
    return found


def general_options() -> list[Option]:
    """Returns the options that every run has, those of `data` included."""
    return described(CONFIGS / "train.yaml").options + view_options()


def view_options() -> list[Option]:
    """Returns the options that every data set has beside its own."""
    return of_axis("data", described(CONFIGS / "view.yaml").options)


def options_of(axis: str, file: Path) -> list[Option]:
    """Returns the options of the choice in `file`, by their names on the command line."""
    return of_axis(axis, described(file).options) + (view_options() if axis == "data" else [])


def files_of(places: Sequence[Path], axis: str) -> dict[str, Path]:
    """Returns the files of the choices on an axis by their names, in alphabetical order."""
    found = {file.stem: file for place in places for file in (place / axis).glob("*.yaml")}
    return dict(sorted(found.items()))


def default_of(axis: str) -> str:
    """Returns the name of the choice that configs/train.yaml makes."""
    text = (CONFIGS / "train.yaml").read_text(encoding="utf-8")
    made = re.search(rf"^  - {axis}: (\w+)", text, re.MULTILINE)
    return made[1] if made else ""


def of_axis(axis: str, options: Sequence[Option]) -> list[Option]:
    """Returns options by their names on the command line."""
    return [Option(f"{axis}.{one.name}", one.default, one.meaning) for one in options]


def overridden(file: Path) -> dict[str, str]:
    """Returns what the choice in `file` chooses on other axes."""
    text = file.read_text(encoding="utf-8")
    found = re.findall(r"^ *- override /(\w+): (\w+)", text, re.MULTILINE)
    return {axis: name for axis, name in found if axis in AXES}

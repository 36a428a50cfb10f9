"""The choices of every axis, as the YAML files in configs/ name them.

A run stores the names of its choices and never where their code lies: the file of a choice says
that, in this revision of the project. So code may move, and a run directory names no code.
"""

from functools import cache
from pathlib import Path

import yaml

Option = bool | int | float | str | None

AXES = ("data", "model", "prior", "likelihood", "guide", "network", "objective")
CONFIGS = Path(__file__).resolve().parent.parent / "configs"


@cache
def names(axis: str) -> tuple[str, ...]:
    """Returns the names of the choices on `axis`, in alphabetical order."""
    files = (CONFIGS / axis).glob("*.yaml")
    return tuple(sorted(file.stem for file in files if not file.stem.startswith("_")))


def target(axis: str, name: str) -> str:
    """Returns the dotted path of the class or function that the choice `name` stands for."""
    return str(_node(axis, name)["_target_"])


def defaults(axis: str, name: str) -> dict[str, Option]:
    """Returns the options of the choice `name` with the values that its file gives them."""
    return {key: value for key, value in _node(axis, name).items() if key != "_target_"}


def name_of(axis: str, path: str) -> str | None:
    """Returns the name of the choice whose code lies at the dotted `path`, or None."""
    return next((name for name in names(axis) if target(axis, name) == path), None)


def is_own(path: str) -> bool:
    """Whether the dotted `path` leads into this project, and not to code of somebody else."""
    return path.split(".")[0] in _modules()


@cache
def _modules() -> frozenset[str]:
    """Returns the names of this project's packages and scripts."""
    here = CONFIGS.parent.iterdir()
    return frozenset(file.stem for file in here if file.is_dir() or file.suffix == ".py")


@cache
def _node(axis: str, name: str) -> dict[str, Option]:
    """Returns what the file of a choice says, under the axis if it sets other axes too."""
    values = yaml.safe_load((CONFIGS / axis / f"{name}.yaml").read_text(encoding="utf-8"))
    node: dict[str, Option] = values.get(axis, values)
    return {key: value for key, value in node.items() if key != "defaults"}

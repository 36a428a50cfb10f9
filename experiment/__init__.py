"""A run: its request, the pair and the data that are built from it, and its directory on disk."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from configs.python import train
    from experiment.load import load_run
    from experiment.run import Run

__all__ = ["Run", "load_run", "train"]
HOMES = {
    "Run": "experiment.run",
    "load_run": "experiment.load",
    "train": "configs.python",
}


def __getattr__(name: str) -> object:
    """Imports what needs torch when it is asked for: reading a run directory needs none."""
    if name not in HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return vars(import_module(HOMES[name]))[name]


def __dir__() -> list[str]:
    """What can be imported from here, whether it was imported already or not."""
    return sorted(__all__)

"""Data sets, and the space their values live in.

A source (`data.sources`) returns `RawData`: three `RawSplit`, as they are stored. `open_dataset`
puts them into a space as a `View` says and returns a `Dataset`: three `Split`, which give float32
tensors. An `Observation` is the map from stored values to points of the space, and a `Storage`
holds the stored values `InMemory` or `OnDisk`.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from data.dataset import Dataset, open_dataset
    from data.spaces import SPACES, Space
    from data.split import Split
    from data.view import View

__all__ = ["SPACES", "Dataset", "Space", "Split", "View", "open_dataset"]
HOMES = {
    "SPACES": "data.spaces",
    "Dataset": "data.dataset",
    "Space": "data.spaces",
    "Split": "data.split",
    "View": "data.view",
    "open_dataset": "data.dataset",
}


def __getattr__(name: str) -> object:
    """Imports what needs torch only when it is asked for: checking a request needs `data.names`."""
    if name not in HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return vars(import_module(HOMES[name]))[name]


def __dir__() -> list[str]:
    """What can be imported from here, whether it was imported already or not."""
    return sorted(__all__)

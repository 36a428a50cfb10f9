"""Training: the loop, its objectives and its optimizer. Measuring is done by `evidence`.

`load_run` and `Run` live in `experiment`; scripts find them here, too.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from experiment.load import load_run
    from experiment.run import Run

__all__ = ["Run", "load_run"]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import experiment

    return getattr(experiment, name)


def __dir__() -> list[str]:
    """What can be imported from here, whether it was imported already or not."""
    return sorted(__all__)

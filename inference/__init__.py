"""Fitting p_θ and q_φ by stochastic variational inference: objectives, optimiser, loop, run directory."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from inference.load import Run, load_run

__all__ = ["Run", "load_run"]


def __getattr__(name: str) -> Any:
    """Import what needs torch only when it is asked for: reading a run directory does not."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from inference import load

    return getattr(load, name)

"""Fitting p_θ and q_φ by stochastic variational inference: objectives, optimiser, loop, run directory."""

from inference.load import Run, load_run

__all__ = ["Run", "load_run"]

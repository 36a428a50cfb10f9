"""Measuring one run: bounds on log p(x), the gap, annealing, diagnostics, imputation."""

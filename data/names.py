"""The names that data sets use. This module imports nothing, so that a request is checked fast."""

SPLITS = ("train", "valid", "test")
# `data.spaces.SPACES` says what they are.
SPACE_NAMES = ("binary", "bytes", "unit", "real", "counts")
BINARISATIONS = ("dynamic", "fixed", "threshold")
# What can be done about entries that are missing.
MISSING = (
    "missing entries can be neither trained on nor measured: leave such rows or columns out, or "
    "fill them in, by the column's median, say, or by a trained run: in Python, "
    "run.impute(run.read(…, missing=True))"
)

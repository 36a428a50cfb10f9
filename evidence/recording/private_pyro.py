"""Every private name of Pyro that recording and the fast step use.

Where a release of Pyro lacks the name, the slower way is taken and said in one line.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import pyro.util


@contextmanager
def without_nan_checks() -> Iterator[None]:
    """Inside, Pyro does not look for NaN, for which it reads the loss and every gradient of it.

    Training checks its losses itself. Without the private name Pyro's own checks stay: steps wait
    for the device, and such programs cannot be recorded.
    """
    check = getattr(pyro.util, "torch_isnan", None)
    if check is None:
        warnings.warn(
            "this Pyro has no pyro.util.torch_isnan: its own checks for NaN stay on",
            RuntimeWarning,
            stacklevel=3,
        )
        yield
        return
    pyro.util.torch_isnan = lambda x: False  # type: ignore[assignment]
    try:
        yield
    finally:
        pyro.util.torch_isnan = check

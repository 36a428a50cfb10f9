"""Every private name of Pyro that recording and the fast step use.

Where a release of Pyro lacks the name, the slower way is taken and said in one line.
"""

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import pyro.infer.util
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


def within_an_expectation() -> bool:
    """Whether Pyro's sum over enumerated values has called, which looks for probabilities of 0.

    It leaves their costs out, since they may be infinite. A recorded sum has them in, times 0: the
    same number, or NaN, which is noticed. Without the private name such a sum is not recorded.
    """
    dice = getattr(pyro.infer.util, "Dice", None)
    code = None if dice is None else dice.compute_expectation.__code__
    frame = sys._getframe(1)
    for _ in range(8):  # torch's own frames are in between
        if frame.f_back is None:
            break
        frame = frame.f_back
        if frame.f_code is code:
            return True
    return False

"""Whether what a checkpoint holds has the form of what this pair would have saved."""

from collections.abc import Mapping

from torch import Tensor


def check_alike(own: object, saved: object) -> None:
    """Checks that `saved` has the form of `own`: nesting, names, kinds of values, shapes.

    A mapping may lack names, as other versions of torch save fewer, and has no others.

    Raises:
        TypeError: It has another form.

    >>> check_alike({"rates": [0.1], "step": 3}, {"rates": [0.2]})
    >>> check_alike({"rates": [0.1]}, {"rates": ["fast"]})
    Traceback (most recent call last):
    TypeError: a str in the place of a float
    """
    if isinstance(own, Tensor) and isinstance(saved, Tensor):
        fits = own.shape == saved.shape
    elif isinstance(own, Mapping) and isinstance(saved, Mapping):
        fits = saved.keys() <= own.keys()
        for name in saved.keys() & own.keys():
            check_alike(own[name], saved[name])
    elif isinstance(own, list | tuple) and isinstance(saved, list | tuple):
        fits = len(own) == len(saved)
        for one, other in zip(own, saved, strict=False):
            check_alike(one, other)
    elif isinstance(own, bool | None):
        fits = isinstance(saved, bool | None)
    elif isinstance(own, int | float):
        fits = isinstance(saved, int | float) and not isinstance(saved, bool)
    else:
        fits = type(own) is type(saved)
    if not fits:
        raise TypeError(f"a {type(saved).__name__} in the place of a {type(own).__name__}")

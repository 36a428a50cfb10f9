"""How many: whole numbers that a caller gives, refused by name where they are none."""

from numbers import Integral


def whole(name: str, value: object, least: int = 1) -> int:
    """Returns a whole number from `least` on, of Python or of NumPy, as one of Python.

    Raises ValueError, which names the option, if `value` is none; truth values are none.

    >>> whole("num_particles", 2.5)
    Traceback (most recent call last):
    ValueError: num_particles=2.5: must be a whole number, at least 1
    """
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise ValueError(f"{name}={value!r}: must be a whole number, at least {least}")
    if int(value) < least:
        raise ValueError(f"{name}={value}: must be at least {least}")
    return int(value)

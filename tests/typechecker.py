"""How the tests check type hints and tensor shapes at run time."""

from collections.abc import Callable
from typing import TypeVar

from beartype import BeartypeConf, beartype

T = TypeVar("T", bound=Callable[..., object])


def check(function: T) -> T:
    """Checks the hints of `function` at every call; a whole number is a number, as in Python."""
    return beartype(conf=BeartypeConf(is_pep484_tower=True))(function)

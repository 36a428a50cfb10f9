"""How the tests check type hints and tensor shapes at run time."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import jaxtyping
from beartype import BeartypeConf, beartype

T = TypeVar("T", bound=Callable[..., object])


def check(function: T) -> T:
    """Checks the hints of `function` at every call; a whole number is a number, as in Python."""
    return beartype(conf=BeartypeConf(is_pep484_tower=True))(function)


def check_packages(names: Sequence[str]) -> None:
    """Checks every call of the functions in these packages, which nobody has imported yet.

    Functions inside functions would be decorated at every call of the outer one, and
    `__torch_function__` sees every operation: both would make the suite three times slower. A
    dataclass refuses wrong values in its own words, which tests read.
    """
    decorate = jaxtyping.jaxtyped

    def decorate_unless_costly(*, typechecker: Callable[[T], T]) -> Callable[[T], T]:
        def decorated(function: T) -> T:
            name = getattr(function, "__qualname__", "")
            costly = "<locals>" in name or name.endswith("__torch_function__")
            if costly or isinstance(function, type):
                return function
            return decorate(function, typechecker=typechecker)

        return decorated

    jaxtyping.jaxtyped = decorate_unless_costly
    jaxtyping.install_import_hook(names, f"{__name__}.check")

"""Whether a plain value agrees with a type hint."""

import types
import typing

NAMES: dict[object, str] = {
    int: "a whole number",
    float: "a number",
    str: "a word",
    bool: "true or false",
    type(None): "null",
}


def accepts(hint: object, value: object) -> bool:
    """Whether `value` agrees with a hint made of None, bool, int, float, str, unions and Literal.

    >>> accepts(float, 1), accepts(int, True), accepts(int | None, None)
    (True, False, True)
    """
    if isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union:
        return any(accepts(choice, value) for choice in typing.get_args(hint))
    if typing.get_origin(hint) is typing.Literal:
        return value in typing.get_args(hint)
    if hint in (None, type(None)):
        return value is None
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, hint) if isinstance(hint, type) and hint in (bool, str) else True


def describe(hint: object) -> str:
    """Returns what a hint accepts, in words.

    >>> describe(int | None)
    'a whole number or null'
    """
    if typing.get_origin(hint) is typing.Literal:
        return "one of " + ", ".join(map(str, typing.get_args(hint)))
    parts = " or ".join(describe(part) for part in typing.get_args(hint))
    return parts or NAMES.get(hint, str(hint))

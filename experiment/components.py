"""From a node of the configuration to the component it names.

A node is a plain mapping with `_target_`, the dotted path of a class or function, and its options. Only code of this
project is ever named by a run directory that may be opened without trust.
"""

import importlib
import inspect
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any

from errors import RequestError

OWN_PACKAGES = ("data", "networks", "models", "guides", "inference", "experiment")


def build(axis: str, node: Mapping[str, Any], trust: bool = False, **context: Any) -> Any:
    """Call the target of `node` with its options, and with those of `context` that its signature asks for by name.

    Raises RequestError for a target outside the project (unless `trust`), an option it does not have, or a value of
    the wrong type, naming `axis.option`.
    """
    target = locate(axis, str(node.get("_target_", "")), trust)
    parameters = inspect.signature(target).parameters
    options = {key: value for key, value in node.items() if key != "_target_"}
    hints = typing.get_type_hints(target.__init__ if inspect.isclass(target) else target)
    for name, value in options.items():
        if name not in parameters:
            raise RequestError(
                f"{axis}.{name}: no such option; {axis} takes {', '.join(parameters)}"
            )
        if not accepts(hints.get(name, Any), value):
            raise RequestError(f"{axis}.{name}={value!r}: expected {_describe(hints[name])}")
    wanted = {
        name: value for name, value in context.items() if name in parameters and name not in options
    }
    try:
        return target(**wanted, **options)
    except RequestError:
        raise
    except ValueError as error:
        raise RequestError(f"{axis}.{error}") from error


def locate(axis: str, path: str, trust: bool = False) -> Callable[..., Any]:
    """The class or function at the dotted `path`; only from this project's packages, unless `trust`."""
    module_name, _, name = path.rpartition(".")
    if module_name.split(".")[0] not in OWN_PACKAGES and not trust:
        raise RequestError(
            f"{axis}: {path!r} is code outside this project; pass --trust to run it if you trust its author"
        )
    try:
        target = getattr(importlib.import_module(module_name), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise RequestError(f"{axis}: cannot import {path!r} ({error})") from error
    if not callable(target) or (not trust and target.__module__.split(".")[0] not in OWN_PACKAGES):
        raise RequestError(f"{axis}: {path!r} is not a component of this project")
    return target


def accepts(hint: Any, value: Any) -> bool:
    """Whether a plain value agrees with a type hint made of None, bool, int, float, str, unions and Literal."""
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
    return isinstance(value, hint) if hint in (bool, str) else True


def _describe(hint: Any) -> str:
    names = {
        int: "a whole number",
        float: "a number",
        str: "a word",
        bool: "true or false",
        type(None): "null",
    }
    if typing.get_origin(hint) is typing.Literal:
        return "one of " + ", ".join(map(str, typing.get_args(hint)))
    return " or ".join(_describe(part) for part in typing.get_args(hint)) or names.get(
        hint, str(hint)
    )

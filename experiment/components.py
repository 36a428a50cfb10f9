"""From a choice to the component that it names.

Only code of this project is ever named by a run directory that may be opened without trust.
"""

import importlib
import inspect
import re
import typing
from collections.abc import Callable, Container, Iterator
from contextlib import contextmanager

from errors import RequestError
from experiment import choices
from experiment.hints import accepts, describe
from experiment.request import Choice, no_such_choice

Component = Callable[..., typing.Any]  # a class or a function; what it makes depends on the axis


def build(axis: str, choice: Choice, trust: bool = False, **context: object) -> typing.Any:
    """Returns the component of `choice`, made with its options and what it asks for of `context`.

    Raises:
        RequestError: the choice does not exist, or is foreign code without `trust`; an option does
            not exist, or its type or its value is not accepted. The error names `axis.option`.
    """
    component = locate(axis, choice, trust)
    parameters = inspect.signature(component).parameters
    check_options(axis, choice, component)
    wanted = {
        name: value
        for name, value in context.items()
        if name in parameters and name not in choice.options
    }
    with refusing(axis, parameters):
        return component(**wanted, **choice.options)


@contextmanager
def refusing(axis: str, options: Container[str]) -> Iterator[None]:
    """Turns a ValueError whose message begins with one of `options` into a RequestError.

    A component names its options as it knows them, as in "width=0: must be at least 1"; here `axis`
    is put before it. Any other ValueError is a bug, and passes through.
    """
    try:
        yield
    except RequestError:
        raise
    except ValueError as error:
        name = re.match(r"\w*", str(error))
        if name is None or name[0] not in options:
            raise
        raise RequestError(f"{axis}.{error}") from error


def check_options(axis: str, choice: Choice, component: Component) -> None:
    """Raises RequestError unless the component has the options of `choice`, of their types."""
    parameters = inspect.signature(component).parameters
    hints = typing.get_type_hints(component.__init__ if inspect.isclass(component) else component)
    for name, value in choice.options.items():
        if name not in parameters:
            raise RequestError(
                f"{axis}.{name}: no such option; {axis} takes {', '.join(parameters)}"
            )
        if not accepts(hints.get(name), value) and name in hints:
            raise RequestError(f"{axis}.{name}={value!r}: expected {describe(hints[name])}")


def locate(axis: str, choice: Choice, trust: bool = False) -> Component:
    """Returns the class or function that `choice` stands for.

    Raises:
        RequestError: the choice does not exist, or is foreign code without `trust`.
    """
    if choice.target is None:
        if choice.name not in choices.names(axis):
            raise no_such_choice(axis, choice.name)
        return _imported(axis, choices.target(axis, choice.name))
    if not trust:
        raise RequestError(
            f"{axis}: {choice.target!r} is code outside this project; "
            "pass --trust to run it if you trust its author"
        )
    return _imported(axis, choice.target)


def _imported(axis: str, path: str) -> Component:
    module, _, name = path.rpartition(".")
    try:
        found = vars(importlib.import_module(module))[name]
    except (ImportError, KeyError, ValueError) as error:
        raise RequestError(f"{axis}: cannot import {path!r} ({error})") from error
    if not callable(found):
        raise RequestError(f"{axis}: {path!r} is no class or function")
    component: Component = found
    return component

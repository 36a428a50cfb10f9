"""From a choice to the component that it names.

Only code of this project is ever named by a run directory that may be opened without trust.
"""

import importlib
import importlib.util
import inspect
import re
import sys
import typing
from collections.abc import Callable, Container, Iterator
from contextlib import contextmanager
from pathlib import Path

from data.places import no_folder
from errors import RequestError
from experiment import choices
from experiment.hints import accepts, describe
from experiment.request import Choice, no_such_choice

Component = Callable[..., typing.Any]  # a class or a function; what it makes depends on the axis
# Whether code outside this project may run: all of it, none, or what lies in a folder.
Trust = bool | Path


def build(axis: str, choice: Choice, trust: Trust = False, **context: object) -> typing.Any:
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
            known = ", ".join(parameters) or "none"
            raise RequestError(f"{axis}.{name}: no such option; {axis}={choice.name} takes {known}")
        if not accepts(hints.get(name), value) and name in hints:
            usual = None if choice.target else choices.defaults(axis, choice.name).get(name)
            such = "" if usual is None else f", such as {axis}.{name}={_word(usual)}"
            raise RequestError(f"{axis}.{name}={value!r}: expected {describe(hints[name])}{such}")


def _word(value: choices.Option) -> str:
    """Returns `value` as the command line has it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def locate(axis: str, choice: Choice, trust: Trust = False) -> Component:
    """Returns the class or function that `choice` stands for.

    Raises:
        RequestError: the choice does not exist, or is foreign code without `trust`.
    """
    if choice.target is None:
        if choice.name not in choices.names(axis):
            raise no_such_choice(axis, choice.name)
        return _imported(axis, choices.target(axis, choice.name))
    if not may_run(choice.target, trust):
        where = f" and of {trust}" if isinstance(trust, Path) else ""
        raise RequestError(
            f"{axis}: {choice.target!r} is code outside this project{where}; if you trust its "
            "author, name the folder that it lies in (--config-dir DIR or load_run(…, trust=DIR)), "
            "or pass --trust, for any code that PYTHONPATH leads to"
        )
    found = _imported(axis, choice.target)
    if not may_run(found.__module__, trust):
        raise RequestError(f"{axis}: {choice.target!r} is not code of {trust}; --trust runs it")
    return found


def importable(folder: str | Path) -> Path:
    """Lets Python import the modules in `folder`; returns its whole path.

    Raises:
        RequestError: there is no such folder.
    """
    if why := no_folder(Path(folder)):
        raise RequestError(f"{folder}: {why}; it should hold choices of your own")
    place = Path(folder).expanduser().resolve()
    if str(place) not in sys.path:
        sys.path.append(str(place))
    return place


def may_run(path: str, trust: Trust) -> bool:
    """Whether the module that the dotted `path` begins with is trusted; it is not imported.

    >>> may_run("os.system", True), may_run("os.system", Path("/my_choices"))
    (True, False)
    """
    if isinstance(trust, bool):
        return trust
    try:
        spec = importlib.util.find_spec(path.split(".")[0])
    except ValueError:  # a module that says nothing of where it is from
        return False
    if spec is None:  # it says so when it is imported
        return True
    places = [spec.origin] if spec.has_location else spec.submodule_search_locations or []
    return any(trust in Path(place).resolve().parents for place in places if place)


def _imported(axis: str, path: str) -> Component:
    module, _, name = path.rpartition(".")
    try:
        found = vars(importlib.import_module(module))[name]
    except (ImportError, KeyError, ValueError) as error:
        raise RequestError(
            f"{axis}: cannot import {path!r} ({error}); --config-dir DIR names the folder that it "
            "lies in, as PYTHONPATH does"
        ) from error
    if not callable(found):
        raise RequestError(f"{axis}: {path!r} is no class or function")
    component: Component = found
    return component
